import Dama

/// A struct of the header that may grow: it begins with a `uint32_t struct_size`, and fields are only added at its end.
///
/// A caller's struct has the size in the caller's header, which may be smaller or larger than the library's. It is only
/// accessed through the functions here: access through its type would reach beyond the end of a smaller struct.
protocol SizedStruct {
    /// The size of the struct as it was first published, from Tests/ABI/first_sizes.txt. It never changes.
    static var firstSize: Int { get }
    /// Its name in the header. `NAME_init()` sets struct_size.
    static var name: String { get }
}

/// The largest size of a struct. A larger size is not valid, and nothing is read or written with it.
let maximumStructSize = 4096

// MARK: - Reading and writing a caller's struct

/// The library's view of a caller's struct.
///
/// Only struct_size bytes are read. Fields that the caller's header does not have keep their values in `defaults`.
/// Fields that this library does not have must be 0, which means the behaviour before the field was added.
func readStruct<T: SizedStruct>(_ pointer: UnsafePointer<T>, _ name: String, defaults: T) throws -> T {
    let size = try checkedStructSize(pointer, name)
    let bytes = UnsafeRawBufferPointer(start: pointer, count: size)
    if size > MemoryLayout<T>.size, bytes[MemoryLayout<T>.size...].contains(where: { $0 != 0 }) {
        throw DamaError.unsupported(
            "\(name) sets fields that libdama \(libraryVersion) does not have: its struct_size is \(size), the library "
                + "knows \(MemoryLayout<T>.size) bytes; set these fields to 0, or use the library of that header")
    }
    var value = defaults
    withUnsafeMutableBytes(of: &value) { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix($0.count))) }
    return value
}

/// Writes `value` to a caller's struct, up to the caller's struct_size, which does not change. Fields that this library
/// does not have become 0.
func writeStruct<T: SizedStruct>(_ value: T, to pointer: UnsafeMutablePointer<T>, _ name: String) throws {
    let size = try checkedStructSize(UnsafePointer(pointer), name)
    overwrite(pointer, size, with: value)
}

/// Runs `body` and writes what it returns over a caller's struct, if there is one. The size of the struct is checked
/// first, because `body` may take hours.
func writeStruct<T: SizedStruct>(
    to pointer: UnsafeMutablePointer<T>?, _ name: String, from body: () throws -> T
) throws {
    if let pointer { try checkedStructSize(UnsafePointer(pointer), name) }
    let value = try body()
    if let pointer { try writeStruct(value, to: pointer, name) }
}

/// - Throws: ``DamaError/Code/invalidArgument`` for a size that no header gives this struct.
@discardableResult
func checkedStructSize<T: SizedStruct>(_ pointer: UnsafePointer<T>, _ name: String) throws -> Int {
    let size = Int(UnsafeRawPointer(pointer).load(as: UInt32.self))
    guard size >= T.firstSize, size <= maximumStructSize else {
        throw DamaError.invalidArgument(
            "\(name) has struct_size \(size); it must be \(MemoryLayout<T>.size), or at least \(T.firstSize): call "
                + "\(T.name)_init() first")
    }
    return size
}

/// A reserved field has no meaning yet.
func requireZero(_ reserved: UInt32) throws {
    guard reserved == 0 else { throw DamaError.unsupported("reserved is \(reserved); it must be 0") }
}

// MARK: - Initialising

/// The body of `…_init_sized()`: writes `value` up to the size of the caller's struct, and that size to struct_size.
///
/// An invalid size, or no value, leaves a struct_size that every later call rejects.
func initStruct<T: SizedStruct>(_ pointer: UnsafeMutablePointer<T>?, _ size: Int, _ value: T?) {
    guard let pointer, size >= MemoryLayout<UInt32>.size else { return }
    let known = value != nil && size <= maximumStructSize ? UInt32(size) : 0
    UnsafeMutableRawPointer(pointer).storeBytes(of: known, as: UInt32.self)
    if let value { overwrite(pointer, Int(known), with: value) }
}

/// All of the first `size` bytes but struct_size.
private func overwrite<T: SizedStruct>(_ pointer: UnsafeMutablePointer<T>, _ size: Int, with value: T) {
    let header = MemoryLayout<UInt32>.size
    guard size > header else { return }
    let target = UnsafeMutableRawBufferPointer(start: pointer, count: size)
    withUnsafeBytes(of: value) { source in
        let end = min(size, source.count)
        target[header..<end].copyBytes(from: source[header..<end])
        for index in end..<size { target[index] = 0 }
    }
}
