import Glibc

/// Memory whose size a caller or a file chooses.
///
/// Swift ends the process if it cannot allocate an array. A size from outside is therefore tried here first, and memory
/// that is not available becomes an error. Small sizes are not tried.
package enum Allocation {
    private static let small = 1 << 20

    /// - Parameters:
    ///   - count: The number of elements; `size` is the bytes of each, temporary copies included.
    ///   - name: What the memory is for.
    /// - Throws: ``DamaError/Code/outOfMemory`` if the system does not have that much.
    package static func check(
        _ count: Int, of size: Int = 1, for name: @autoclosure () -> String
    ) throws(DamaError) {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
        guard !overflow, count >= 0, bytes <= 1 << 47 else {
            throw .outOfMemory("\(name()) needs \(count) × \(size) bytes, more than any process can have")
        }
        guard bytes > small else { return }
        let memory = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory, memory != MAP_FAILED else {
            throw .outOfMemory("cannot allocate \(bytes) bytes for \(name())")
        }
        munmap(memory, bytes)
    }
}
