import CDama
import CDamaShims
import Dama
import Glibc

/// Runs the body of a C function. A ``DamaError`` becomes the returned status and the thread's error message.
///
/// Every `@c` function that can fail is one `guarded { … }`. It writes its out parameters after the last operation that
/// can fail.
func guarded(_ body: () throws -> Void) -> dama_status {
    cdama_fork_note_use()
    do {
        guard !isForkedChild else {
            throw DamaError.unsupported(
                "this process was forked from a process that uses libdama, and lacks its threads; start it with exec, "
                    + "in Python with the start method spawn or forkserver")
        }
        try body()
        return DAMA_OK
    } catch let error as DamaError {
        return fail(error)
    } catch {
        return fail(.internal("unexpected error: \(error)"))
    }
}

/// Whether this process is a fork() of a process that used the library. Threads that do not exist here may hold locks,
/// so nothing may wait for a lock.
var isForkedChild: Bool { cdama_fork_is_child() != 0 }

/// Releases the caller's handle, which is one retain. A forked child does nothing: the threads for which the object
/// would wait do not exist there.
func release<T: AnyObject>(_ handle: OpaquePointer?, _ type: T.Type) {
    guard let handle, !isForkedChild else { return }
    Unmanaged<T>.fromOpaque(UnsafeRawPointer(handle)).release()
}

private func fail(_ error: DamaError) -> dama_status {
    var message = error.message
    message.withUTF8 { text in
        text.withMemoryRebound(to: CChar.self) { cdama_error_set($0.baseAddress, $0.count) }
    }
    return error.code.status
}

extension DamaError.Code {
    var status: dama_status {
        switch self {
        case .invalidArgument: DAMA_INVALID_ARGUMENT
        case .shapeMismatch: DAMA_SHAPE_MISMATCH
        case .io: DAMA_IO
        case .model: DAMA_MODEL
        case .unsupported: DAMA_UNSUPPORTED
        case .outOfMemory: DAMA_OUT_OF_MEMORY
        case .internal: DAMA_INTERNAL
        case .cancelled: DAMA_CANCELLED
        }
    }
}

// MARK: - Checking arguments

/// The pointer, or an error that names the parameter.
func require<T>(_ pointer: UnsafeMutablePointer<T>?, _ name: String) throws -> UnsafeMutablePointer<T> {
    guard let pointer else { throw DamaError.invalidArgument("\(name) is NULL") }
    return pointer
}

func require<T>(_ pointer: UnsafePointer<T>?, _ name: String) throws -> UnsafePointer<T> {
    guard let pointer else { throw DamaError.invalidArgument("\(name) is NULL") }
    return pointer
}

/// A C array as a buffer. The count is checked first, because a large `size_t` is a negative `Int`.
func buffer<T>(_ pointer: UnsafePointer<T>?, _ count: Int, _ name: String) throws -> UnsafeBufferPointer<T> {
    try checkCount(count, MemoryLayout<T>.stride, name)
    return UnsafeBufferPointer(start: count == 0 ? pointer : try require(pointer, name), count: count)
}

func buffer<T>(
    _ pointer: UnsafeMutablePointer<T>?, _ count: Int, _ name: String
) throws -> UnsafeMutableBufferPointer<T> {
    try checkCount(count, MemoryLayout<T>.stride, name)
    return UnsafeMutableBufferPointer(start: count == 0 ? pointer : try require(pointer, name), count: count)
}

private func checkCount(_ count: Int, _ stride: Int, _ name: String) throws {
    // No process can hold more than 2^47 bytes; a larger count is a negative number or garbage.
    guard count >= 0, count <= (1 << 47) / stride else {
        throw DamaError.invalidArgument("the size of \(name), \(UInt(bitPattern: count)), is not a valid array size")
    }
}

/// An upper limit of the memory for tokenizing or splitting, in bytes for each byte of text; 102 were measured.
let bytesPerTextByte = 128

/// A C string as a Swift string. Invalid UTF-8 is replaced by U+FFFD, as with Python's `errors="replace"`.
func string(_ pointer: UnsafePointer<CChar>?, _ name: String) throws -> String {
    let pointer = try require(pointer, name)
    try Allocation.check(strlen(pointer), of: bytesPerTextByte, for: name)
    return String(cString: pointer)
}

/// An array of C strings.
func strings(_ pointers: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int, _ name: String) throws -> [String] {
    try buffer(pointers, count, name).enumerated().map { try string($1, "\(name)[\($0)]") }
}

/// A copy of a C array. Memory for `copies` copies at a time must be available.
func copied<T>(_ pointer: UnsafePointer<T>?, _ count: Int, _ name: String, copies: Int = 1) throws -> [T] {
    let buffer = try buffer(pointer, count, name)
    try Allocation.check(count, of: copies * MemoryLayout<T>.stride, for: "a copy of \(name)")
    return Array(buffer)
}

// MARK: - Results into the caller's buffers

/// Copies `values` to the buffer. A buffer of capacity 0 only asks for the count; any other must have room for all.
func write<T>(
    _ values: [T], to buffer: UnsafeMutableBufferPointer<T>, _ name: String, _ unit: String
) throws {
    if buffer.isEmpty { return }
    guard buffer.count >= values.count else {
        throw DamaError.shapeMismatch("\(name) has room for \(buffer.count) \(unit); there are \(values.count)")
    }
    _ = buffer.update(fromContentsOf: values)
}

/// Copies UTF-8 with a final NUL; otherwise as for arrays.
func write(_ text: String, to buffer: UnsafeMutableBufferPointer<CChar>, _ name: String) throws {
    if buffer.isEmpty { return }
    try write(text.utf8.map { CChar(bitPattern: $0) } + [0], to: buffer, name, "bytes")
}
