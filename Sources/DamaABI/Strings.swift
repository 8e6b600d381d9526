import CDama

/// What a `dama_strings *` points to: C strings that are valid as long as the object.
final class Strings: Sendable {
    /// All strings, each with a final NUL.
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

    /// A handle that the caller owns.
    var handle: OpaquePointer { OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

    /// A handle that is valid as long as the object.
    var borrowed: OpaquePointer { OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }

    static func from(_ handle: OpaquePointer?) -> Strings? {
        handle.map { Unmanaged<Strings>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() }
    }
}

@c @implementation
public func dama_strings_count(_ strings: OpaquePointer?) -> Int { Strings.from(strings)?.count ?? 0 }

@c @implementation
public func dama_strings_at(_ strings: OpaquePointer?, _ index: Int) -> UnsafePointer<CChar>? {
    Strings.from(strings)?.at(index)
}

@c @implementation
public func dama_strings_free(_ strings: OpaquePointer?) {
    release(strings, Strings.self)
}
