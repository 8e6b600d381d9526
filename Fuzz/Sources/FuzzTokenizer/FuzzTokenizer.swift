@testable import DamaSupport
@testable import DamaText
@testable import PlainEncoding

/// tokenizer.json, then a NUL and a text: any bytes give a tokenizer or a ``DamaError``. The tokenizer encodes the text
/// to ids that it knows and that are right by definition, and the text is split without loss.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTokenizer(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let bytes = UnsafeBufferPointer(start: data, count: size)
    let end = bytes.firstIndex(of: 0) ?? size
    guard let json = try? JSON(parsing: bytes[..<end]), let tokenizer = try? Tokenizer(json: json) else { return 0 }
    let text = bytes[end...].dropFirst().prefix(256)
    for addsSpecialTokens in [true, false] {
        guard let ids = try? tokenizer.encode(bytes: text, addSpecialTokens: addsSpecialTokens) else { return 0 }
        for id in ids where tokenizer.token(of: id) == nil || Int(id) >= tokenizer.idEnd {
            fatalError("id \(id) is in no vocabulary")
        }
        for skipsSpecialTokens in [true, false] {
            _ = tokenizer.decode(ids, skipSpecialTokens: skipsSpecialTokens)
            var stream = StreamingDecoder(tokenizer, skipSpecialTokens: skipsSpecialTokens)
            for id in ids { _ = stream.push(id) }
            _ = stream.finish()
        }
    }
    _ = tokenizer.decode([-1, .max, 0, 1, 2], skipSpecialTokens: false)

    let string = String(decoding: text, as: UTF8.self)
    PlainEncoder(tokenizer, json: json).check(string)
    let limit = TokenLimit(maximum: 12, tokenizer: tokenizer)
    guard let parts = try? BuiltInSplitter().split(string, limit: limit) else { return 0 }
    let kept = parts.flatMap(\.unicodeScalars).filter { !$0.properties.isWhitespace }
    guard kept == string.unicodeScalars.filter({ !$0.properties.isWhitespace }) else { fatalError("lost: \(parts)") }
    for part in parts where (try? limit.count(part)) ?? 0 > limit.maximum { fatalError("over the limit: \(part)") }
    return 0
}
