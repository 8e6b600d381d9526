import Dama

/// A struct of the header that may grow: it begins with a `uint32_t struct_size`, and fields are only added at its end.
///
/// A caller's struct has the size that the caller's header gave it, which may be smaller or larger than the library's.
/// So it is never touched through its type, which would reach behind a smaller one, but through the functions here.
protocol SizedStruct {
    /// Bytes of the struct as it was first published, from Tests/ABI/first_sizes.txt.
    static var firstSize: Int { get }
    /// Its name in the header. `NAME_init()` sets struct_size.
    static var name: String { get }
}

/// No struct will ever be larger. A greater size is no size, and nothing is read or written by it.
let maximumStructSize = 4096

// MARK: - Reading and writing a caller's struct

/// A caller's struct as this library knows it.
///
/// Only struct_size bytes are read. Fields that the caller's header did not have yet keep their value in `defaults`;
/// those that this library does not have yet must be 0, which every later field takes for "as it was before".
func readStruct<T: SizedStruct>(_ pointer: UnsafePointer<T>, _ name: String, defaults: T) throws -> T {
    let size = try checkedStructSize(pointer, name)
    let bytes = UnsafeRawBufferPointer(start: pointer, count: size)
    if size > MemoryLayout<T>.size, bytes[MemoryLayout<T>.size...].contains(where: { $0 != 0 }) {
        throw DamaError.unsupported(
            "\(name) sets fields that this library, \(libraryVersion), does not have: its struct_size is \(size), "
                + "\(MemoryLayout<T>.size) are known; leave them 0, or use the library of that header")
    }
    var value = defaults
    withUnsafeMutableBytes(of: &value) { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix($0.count))) }
    return value
}

/// Writes `value` over a caller's struct, as far as the caller's header knew it. The struct_size stays the caller's, and
/// fields that this library does not have become 0.
func writeStruct<T: SizedStruct>(_ value: T, to pointer: UnsafeMutablePointer<T>, _ name: String) throws {
    let size = try checkedStructSize(UnsafePointer(pointer), name)
    overwrite(pointer, size, with: value)
}

/// - Throws: ``DamaError/Code/invalidArgument`` for a size that no header ever gave this struct.
@discardableResult
func checkedStructSize<T: SizedStruct>(_ pointer: UnsafePointer<T>, _ name: String) throws -> Int {
    let size = Int(UnsafeRawPointer(pointer).load(as: UInt32.self))
    guard size >= T.firstSize, size <= maximumStructSize else {
        throw DamaError.invalidArgument(
            "\(name) has struct_size \(size); expected \(MemoryLayout<T>.size), or \(T.firstSize) at the least: call "
                + "\(T.name)_init() first")
    }
    return size
}

/// A field that makes up a struct's size has no meaning yet.
func requireZero(_ reserved: UInt32) throws {
    guard reserved == 0 else { throw DamaError.unsupported("reserved is \(reserved); it must be 0") }
}

// MARK: - Initialising

/// What `…_init_sized()` does: `value` in as much of the struct as the caller has, its size in struct_size.
///
/// A size that the struct cannot have, or no value, leaves a struct_size that every later call refuses.
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
