/// What a `dama_strings *` points to: C strings that live as long as the object.
final class Strings: Sendable {
    /// All strings, each with a NUL behind it.
    private nonisolated(unsafe) let bytes: UnsafeMutableBufferPointer<CChar>
    private let starts: [Int]

    init(_ strings: [String]) {
        var all: [CChar] = []
        var starts: [Int] = []
        for string in strings {
            starts.append(all.count)
            all.append(contentsOf: string.utf8.lazy.map { CChar(bitPattern: $0) })
            all.append(0)
        }
        self.starts = starts
        bytes = .allocate(capacity: all.count)
        _ = bytes.initialize(from: all)
    }

    deinit { bytes.deallocate() }

    var count: Int { starts.count }

    func at(_ index: Int) -> UnsafePointer<CChar>? {
        guard starts.indices.contains(index), let base = bytes.baseAddress else { return nil }
        return UnsafePointer(base + starts[index])
    }

    static func from(_ handle: OpaquePointer?) -> Strings? {
        handle.map { Unmanaged<Strings>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() }
    }
}
