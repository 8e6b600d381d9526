@testable import DamaSupport

/// The JSON reader: any bytes give a value or a ``DamaError``; a value is written and read back unchanged.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJSON(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let bytes = UnsafeRawBufferPointer(start: data, count: size)
    let asWritten = try? JSON(parsing: bytes, numbers: .asWritten)
    if let text = asWritten?.text {
        guard (try? JSON(parsing: text.utf8, numbers: .asWritten))?.text == text else { fatalError("changed: \(text)") }
    }
    guard let value = try? JSON(parsing: bytes) else { return 0 }
    guard asWritten != nil else { fatalError("not read as written: \(value.text)") }
    guard let again = try? JSON(parsing: value.text), again == value else {
        fatalError("not read back as it was written: \(value.text)")
    }
    return 0
}
