@testable import DamaSupport
@testable import DamaText
@testable import PlainEncoding

/// The length of a text in one byte, the text, then a SentencePiece model: any bytes give a tokenizer or a
/// ``DamaError``. The tokenizer encodes the text to ids that it knows and that are right by definition.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSentencePiece(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: data, count: size))
    guard let length = bytes.first.map(Int.init), bytes.count > length else { return 0 }
    let text = bytes[1..<length + 1]
    guard let model = try? SentencePieceModel(Array(bytes[(length + 1)...])) else { return 0 }
    for family in SentencePieceSettings.Family.allCases {
        guard var settings = try? SentencePieceSettings(nil) else { return 0 }
        settings.family = family
        guard let tokenizer = try? Tokenizer(model, settings, roles: TokenizerConfiguration()) else { continue }
        guard let ids = try? tokenizer.encode(bytes: text) else { continue }
        for id in ids where tokenizer.token(of: id) == nil || Int(id) >= tokenizer.idEnd {
            fatalError("id \(id) is in no vocabulary")
        }
        PlainEncoder(tokenizer, model, family)?.check(String(decoding: text, as: UTF8.self))
        let whole = tokenizer.decode(ids, skipSpecialTokens: false)
        var stream = StreamingDecoder(tokenizer, skipSpecialTokens: false)
        let pieces = ids.map { stream.push($0) } + [stream.finish()]
        guard Array(pieces.joined().unicodeScalars) == Array(whole.unicodeScalars) else {
            fatalError("streamed: \(pieces), at once: \(whole)")
        }
    }
    return 0
}
