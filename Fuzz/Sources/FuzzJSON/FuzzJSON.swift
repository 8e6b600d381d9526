@testable import DamaSupport

/// The JSON reader: any bytes give a value or a ``DamaError``; a value is written and read back unchanged, and
/// read from a stream as from the whole.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJSON(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let bytes = UnsafeRawBufferPointer(start: data, count: size)
    let asWritten = try? JSON(parsing: bytes, numbers: .asWritten)
    if let text = asWritten?.text {
        guard (try? JSON(parsing: text.utf8, numbers: .asWritten))?.text == text else { fatalError("changed: \(text)") }
    }
    // The reader of streams accepts the same texts, wherever they are cut into pieces.
    for pieceSize in [1, 7] {
        var stream = JSONStream(MemoryBytes(Array(bytes), pieceSize: pieceSize), name: "text")
        let value = try? stream.value()
        let isWhole = value != nil && (try? stream.end()) != nil
        guard isWhole == (asWritten != nil), !isWhole || value == asWritten else {
            fatalError("read otherwise in pieces")
        }
    }
    guard let value = try? JSON(parsing: bytes) else { return 0 }
    guard asWritten != nil else { fatalError("not read as written: \(value.text)") }
    guard let again = try? JSON(parsing: value.text), again == value else {
        fatalError("not read back as it was written: \(value.text)")
    }
    return 0
}
