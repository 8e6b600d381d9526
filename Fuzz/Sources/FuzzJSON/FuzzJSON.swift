import Dama

/// The JSON reader: any bytes are a value or a ``DamaError``; what was read is written and read back unchanged.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJSON(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    guard let value = try? JSON(parsing: UnsafeRawBufferPointer(start: data, count: size)) else { return 0 }
    guard let again = try? JSON(parsing: value.text), again == value else {
        fatalError("not read back as it was written: \(value.text)")
    }
    return 0
}
