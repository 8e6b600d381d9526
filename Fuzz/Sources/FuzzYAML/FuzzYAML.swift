@testable import Dama
@testable import DamaSupport

/// Configuration files: any text gives a value within the limits or a ``DamaError``, without delay.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzYAML(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let text = String(decoding: UnsafeBufferPointer(start: data, count: size), as: UTF8.self)
    guard let value = try? YAMLDocument.json(text, place: "file") else { return 0 }
    guard count(value) <= YAMLDocument.valueLimit else { fatalError("over the limit") }
    return 0
}

private func count(_ value: JSON) -> Int {
    if let array = value.array { return array.reduce(1) { $0 + count($1) } }
    return value.object?.members.reduce(1) { $0 + count($1.value) } ?? 1
}
