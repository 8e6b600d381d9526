@testable import DamaModels

/// The table of a safetensors file: any bytes give a ``DamaError`` or a table whose tensors cover the data, end to end.
///
/// With the header's length in front, a fuzzer could hardly change the header's size. So the input is the header alone,
/// and its first two bytes set the size of the data that follows.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSafetensors(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let raw = UnsafeRawBufferPointer(start: data, count: size)
    check(raw)
    guard size >= 2 else { return 0 }
    let header = Array(raw[2...])
    let dataSize = Int(data[0]) | Int(data[1]) << 8
    let file =
        withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
        + [UInt8](repeating: 1, count: dataSize)
    file.withUnsafeBytes { check($0) }
    return 0
}

private func check(_ file: UnsafeRawBufferPointer) {
    guard let header = try? SafetensorsHeader(parsing: file) else { return }
    var end = header.entries.first?.range.lowerBound ?? file.count
    for entry in header.entries {
        guard entry.range.lowerBound == end, entry.range.upperBound <= file.count else {
            fatalError("\(entry.name) lies at \(entry.range) of \(file.count) bytes, after \(end)")
        }
        end = entry.range.upperBound
        if let bits = entry.type.bits, entry.shape.reduce(bits, *) != entry.range.count * 8 {
            fatalError("\(entry.name): \(entry.shape) in \(entry.range.count) bytes")
        }
    }
    guard end == file.count else { fatalError("the tensors end at \(end) of \(file.count)") }
}
