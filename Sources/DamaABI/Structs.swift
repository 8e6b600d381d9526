import Dama

/// A caller's struct as this library knows it.
///
/// The struct begins with a `uint32_t struct_size`. Only that many bytes are read; fields that the caller's header did
/// not have yet keep their value in `defaults`.
///
/// - Parameters:
///   - minimum: The size of the struct's first version.
///   - initializer: The function that sets struct_size, for the message.
func readStruct<T>(
    _ pointer: UnsafePointer<T>, _ name: String, minimum: Int, defaults: T, initializer: String
) throws -> T {
    let size = try checkedStructSize(pointer, name, minimum: minimum, initializer: initializer)
    if size == MemoryLayout<T>.size { return pointer.pointee }
    var value = defaults
    withUnsafeMutableBytes(of: &value) { $0.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: size)) }
    return value
}

/// Writes `value` over a caller's struct, as far as the caller's header knew it. The struct_size stays the caller's.
func writeStruct<T>(
    _ value: T, to pointer: UnsafeMutablePointer<T>, _ name: String, minimum: Int, initializer: String
) throws {
    let size = try checkedStructSize(UnsafePointer(pointer), name, minimum: minimum, initializer: initializer)
    let header = MemoryLayout<UInt32>.size
    withUnsafeBytes(of: value) { source in
        UnsafeMutableRawBufferPointer(start: pointer, count: size)[header...]
            .copyBytes(from: source[header..<size])
    }
}

@discardableResult
func checkedStructSize<T>(
    _ pointer: UnsafePointer<T>, _ name: String, minimum: Int, initializer: String
) throws -> Int {
    let size = Int(UnsafeRawPointer(pointer).load(as: UInt32.self))
    guard size >= minimum, size <= MemoryLayout<T>.size else {
        throw DamaError.invalidArgument(
            "\(name) has struct_size \(size); this library knows \(minimum) to \(MemoryLayout<T>.size): "
                + "call \(initializer) first")
    }
    return size
}
