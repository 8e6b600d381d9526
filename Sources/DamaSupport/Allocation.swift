import Glibc

/// Memory of a size that a caller or a file chose.
///
/// Swift ends the process where it cannot allocate an array, so a size from outside is tried here first: what cannot be
/// had is an error then. Small sizes are not tried.
package enum Allocation {
    private static let small = 1 << 20

    /// - Parameters:
    ///   - count: how many elements, and `size` the bytes that each takes, temporary copies included.
    ///   - name: what the memory is for.
    /// - Throws: ``DamaError/Code/outOfMemory`` where the system has not that much.
    package static func check(
        _ count: Int, of size: Int = 1, for name: @autoclosure () -> String
    ) throws(DamaError) {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
        guard !overflow, count >= 0, bytes <= 1 << 47 else {
            throw .outOfMemory("\(name()) would take \(count) × \(size) bytes, more than any process can have")
        }
        guard bytes > small else { return }
        let memory = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory, memory != MAP_FAILED else { throw .outOfMemory("no memory for \(name()): \(bytes) bytes") }
        munmap(memory, bytes)
    }
}
