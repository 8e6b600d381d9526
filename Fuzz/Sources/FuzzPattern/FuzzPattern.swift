@testable import DamaSupport
@testable import DamaText

/// A pattern of a tokenizer.json, then a NUL and a text. Any pattern is accepted or gives a ``DamaError``. Any text is
/// split without loss or rejected, in a time that its length bounds (libFuzzer's time-out).
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzPattern(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let bytes = UnsafeBufferPointer(start: data, count: size)
    let end = bytes.firstIndex(of: 0) ?? size
    let pattern = String(decoding: bytes[..<end], as: UTF8.self)
    let text = String(decoding: bytes[end...].dropFirst(), as: UTF8.self)
    let split: JSON = [
        "type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated", "invert": false,
    ]
    // Every byte is a token, so that the output equals the input.
    let letters: [JSONObject.Member] = (0..<256).map { byte in
        let digits = String(byte, radix: 16, uppercase: true)
        return ("<0x\(byte < 16 ? "0" : "")\(digits)>", .int(Int64(byte)))
    }
    let json: JSON = [
        "model": ["type": "BPE", "vocab": .object(JSONObject(letters)), "merges": [], "byte_fallback": true],
        "pre_tokenizer": split,
        "decoder": ["type": "Sequence", "decoders": [["type": "ByteFallback"], ["type": "Fuse"]]],
    ]
    guard let tokenizer = try? Tokenizer(json: json), let ids = try? tokenizer.encode(text) else { return 0 }
    guard tokenizer.decode(ids).utf8.elementsEqual(text.utf8) else { fatalError("lost by \(pattern): \(text)") }
    return 0
}
