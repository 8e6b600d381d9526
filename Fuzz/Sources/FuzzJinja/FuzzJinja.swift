@testable import DamaJinja
@testable import DamaSupport

/// A chat template, then a NUL and messages in JSON. Any template gives a text or a ``DamaError``, in a time that its
/// limits bound (libFuzzer's time-out), and the same one each time.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJinja(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let bytes = UnsafeBufferPointer(start: data, count: size)
    let end = bytes.firstIndex(of: 0) ?? size
    guard let template = try? JinjaTemplate(String(decoding: bytes[..<end], as: UTF8.self)) else { return 0 }
    let messages = (try? JSON(parsing: bytes[end...].dropFirst())) ?? [["role": "user", "content": "a b"]]
    let variables: [(String, Value)] = [
        ("messages", Value(messages)), ("add_generation_prompt", .bool(true)), ("tools", .none),
        ("bos_token", .string("<s>")), ("eos_token", .string("</s>")),
    ]
    let date = CalendarDate(year: 2024, month: 7, day: 26)
    let first = Result { () throws(DamaError) in try template.render(variables, date: date) }
    let second = Result { () throws(DamaError) in try template.render(variables, date: date) }
    switch (first, second) {
    case (.success(let first), .success(let second)):
        guard first.utf8.elementsEqual(second.utf8) else { fatalError("two texts: \(first), \(second)") }
    case (.failure(let first), .failure(let second)):
        guard first.message == second.message, !first.message.isEmpty else { fatalError("\(first), \(second)") }
    default: fatalError("a text and an error")
    }
    return 0
}
