@testable import DamaSupport
@testable import DamaText
@testable import PlainEncoding

/// Bytes that choose a tokenizer of few characters, and a text of them in which parts repeat: the ids are right by
/// definition. `FuzzTokenizer` finds few valid files of merges that matter.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzMerging(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    var choices = Choices(UnsafeBufferPointer(start: data, count: size))
    let json = file(&choices)
    // Tokens of the same text, or with an id of another, are no file.
    guard let tokenizer = try? Tokenizer(json: json) else { return 0 }
    PlainEncoder(tokenizer, json: json).check(choices.text(longest: 300))
    return 0
}

/// The input's bytes one after the other; zeros behind the last.
private struct Choices {
    static let characters = Array("▁ abé日?<Ax\u{301}\n".unicodeScalars)

    private var bytes: Slice<UnsafeBufferPointer<UInt8>>

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes[...] }

    mutating func next() -> Int { Int(bytes.popFirst() ?? 0) }
    mutating func next(below end: Int) -> Int { next() % max(1, end) }

    /// Up to three characters.
    mutating func word() -> String {
        var word = ""
        for _ in 0...next(below: 3) { word.unicodeScalars.append(Self.characters[next(below: Self.characters.count)]) }
        return word
    }

    /// What is left of the input: characters, and from 224 on repeated ends of the text so far.
    mutating func text(longest: Int) -> String {
        var scalars: [Unicode.Scalar] = []
        while let byte = bytes.popFirst(), scalars.count < longest {
            if byte < 224 {
                // Many words begin: "▁" is the first of the characters.
                let place = Int(byte) % (Self.characters.count + 6)
                scalars.append(Self.characters[place < Self.characters.count ? place : 0])
            } else {
                scalars += Array(scalars.suffix(Int(byte) - 223))
            }
        }
        return String(scalars: scalars[..<min(longest, scalars.count)])
    }
}

/// A tokenizer.json.
private func file(_ choices: inout Choices) -> JSON {
    let flags = choices.next()
    let isSet = { (bit: Int) in flags >> bit & 1 == 1 }
    let suffix = isSet(0) ? "</w>" : ""
    var names = ["?"] + Choices.characters.prefix(1 + choices.next(below: 6)).map { String($0) }
    if isSet(0) { names += names.map { $0 + suffix } }
    if isSet(1) {
        names += [0xC3, 0xA9, 0x78, 0xE2, 0x96, 0x81].map { "<0x\(String($0, radix: 16, uppercase: true))>" }
    }
    var merges: [JSON] = []
    // Few vocabularies of random merges have none across the start of a word.
    let isOfWords = choices.next(below: 4) > 0
    for _ in 0..<choices.next(below: 48) {
        let (left, right) = (names[choices.next(below: names.count)], names[choices.next(below: names.count)])
        if isOfWords, right.hasPrefix("▁"), !left.hasSuffix("▁") { continue }
        if !names.contains(left + right) { names.append(left + right) }
        merges.append([.string(left), .string(right)])
    }
    let model: JSON = [
        "type": "BPE", "fuse_unk": .bool(isSet(2)), "byte_fallback": .bool(isSet(1)), "ignore_merges": .bool(isSet(3)),
        "end_of_word_suffix": .string(suffix), "merges": .array(merges),
        "vocab": .object(JSONObject(names.enumerated().map { (key: $1, value: .int(Int64($0))) })),
        "unk_token": isSet(4) ? "?" : .null,
    ]

    var added: [JSON] = []
    for number in 0..<choices.next(below: 6) {
        let (flags, word) = (choices.next(), choices.word())
        let isSet = { (bit: Int) in JSON.bool(flags >> bit & 1 == 1) }
        added.append([
            "content": .string(word), "id": .int(Int64(names.firstIndex(of: word) ?? names.count + number)),
            "single_word": isSet(0), "lstrip": isSet(1), "rstrip": isSet(2), "special": isSet(3),
            "normalized": isSet(4),
        ])
    }
    var steps: [JSON] = []
    for _ in 0..<choices.next(below: 4) {
        switch choices.next(below: 6) {
        case 0: steps.append(["type": "Replace", "pattern": ["String": " "], "content": "▁"])
        case 1: steps.append(["type": "Prepend", "prepend": "▁"])
        case 2: steps.append(["type": "Lowercase"])
        case 3: steps.append(["type": "Strip", "strip_left": true, "strip_right": false])
        default:
            let (pattern, content) = (choices.word(), isSet(5) ? "" : choices.word())
            steps.append(["type": "Replace", "pattern": ["String": .string(pattern)], "content": .string(content)])
        }
    }
    return [
        "model": model, "added_tokens": .array(added),
        "normalizer": ["type": "Sequence", "normalizers": .array(steps)],
        "pre_tokenizer": isSet(6) ? ["type": "Metaspace", "replacement": "▁", "split": .bool(isSet(7))] : .null,
    ]
}
