import DamaSupport

/// A step from tokens back to text. Each step maps a list of strings to a list of strings; at the end they are joined.
indirect enum TokenDecoder: Sendable {
    case sequence([TokenDecoder])
    case byteLevel
    case byteFallback
    case fuse
    case replace([Unicode.Scalar], with: [Unicode.Scalar])
    case strip(Unicode.Scalar, start: Int, stop: Int)
    case metaspace(replacement: Unicode.Scalar, dropsFirst: Bool)
    /// `BPEDecoder`: the suffix becomes a space, or nothing at the end.
    case wordSuffix(String)

    func apply(to tokens: [String]) -> [String] {
        switch self {
        case .sequence(let steps):
            return steps.reduce(tokens) { $1.apply(to: $0) }
        case .byteLevel:
            return [String(decoding: tokens.flatMap(ByteAlphabet.decode), as: UTF8.self)]
        case .byteFallback: return Self.joinBytes(tokens)
        case .fuse: return [tokens.joined()]
        case .replace(let literal, let content):
            return tokens.map { Self.replace(literal, with: content, in: $0) }
        case .strip(let content, let start, let stop):
            return tokens.map { token in
                let scalars = Array(token.unicodeScalars)
                var first = 0
                while first < min(start, scalars.count), scalars[first] == content { first += 1 }
                var last = scalars.count
                let floor = max(0, scalars.count - stop)
                while last > floor, scalars[last - 1] == content { last -= 1 }
                return first < last ? String(scalars: scalars[first..<last]) : ""
            }
        case .metaspace(let replacement, let dropsFirst):
            return tokens.enumerated().map { index, token in
                var text = String.UnicodeScalarView()
                for scalar in token.unicodeScalars {
                    if scalar != replacement {
                        text.append(scalar)
                    } else if index > 0 || !dropsFirst {
                        text.append(" ")
                    }
                }
                return String(text)
            }
        case .wordSuffix(let suffix):
            let literal = Array(suffix.unicodeScalars)
            return tokens.enumerated().map { index, token in
                Self.replace(literal, with: index == tokens.count - 1 ? [] : [" "], in: token)
            }
        }
    }

    private static func replace(
        _ literal: [Unicode.Scalar], with content: [Unicode.Scalar], in token: String
    ) -> String {
        var scalars = Array(token.unicodeScalars)
        Normalizer.replace(SplitPattern.matches(of: literal, in: scalars[...]), with: content, in: &scalars)
        return String(scalars: scalars)
    }

    /// Replaces runs of "<0x…>" tokens by the text of their bytes; a run of invalid UTF-8 gives U+FFFD for each byte.
    private static func joinBytes(_ tokens: [String]) -> [String] {
        var result: [String] = []
        var bytes: [UInt8] = []
        func flush() {
            if bytes.isEmpty { return }
            if let text = String(validating: bytes, as: UTF8.self) {
                result.append(text)
            } else {
                result.append(contentsOf: repeatElement("\u{FFFD}", count: bytes.count))
            }
            bytes = []
        }
        for token in tokens {
            if let byte = byte(of: token) {
                bytes.append(byte)
            } else {
                flush()
                result.append(token)
            }
        }
        flush()
        return result
    }

    /// Whether any step joins runs of "<0x…>" tokens.
    var joinsBytes: Bool {
        switch self {
        case .byteFallback: true
        case .sequence(let steps): steps.contains { $0.joinsBytes }
        default: false
        }
    }

    static func byte(of token: String) -> UInt8? {
        let utf8 = token.utf8
        guard utf8.count == 6, utf8.starts(with: "<0x".utf8), utf8.last == UInt8(ascii: ">") else { return nil }
        return UInt8(token.dropFirst(3).dropLast(), radix: 16)
    }

}

extension TokenDecoder {
    /// The largest factor by which the steps lengthen a text.
    private var growth: Int {
        switch self {
        case .sequence(let steps): Growth.product(steps.map(\.growth))
        case .replace(let literal, let content): SplitPattern.literal(literal).growth(replacedBy: content.count)
        case .byteLevel, .byteFallback, .fuse, .strip, .metaspace, .wordSuffix: 1
        }
    }

    private static let known = "Sequence, ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace and BPEDecoder"

    init(_ field: JSONField) throws(DamaError) {
        let type = try field.string("type")
        switch type {
        case "Sequence":
            var steps: [TokenDecoder] = []
            for step in try field.require("decoders").array() { steps.append(try TokenDecoder(step)) }
            self = .sequence(steps)
            try Growth.check(growth, field)
        case "ByteLevel": self = .byteLevel
        case "ByteFallback": self = .byteFallback
        case "Fuse": self = .fuse
        case "Replace":
            let content = try field.string("content")
            let pattern = try field.require("pattern")
            guard case .literal(let literal) = try SplitPattern(pattern) else {
                throw .unsupported("\(pattern.path): a decoder's Replace supports only {\"String\": …}")
            }
            self = .replace(literal, with: Array(content.unicodeScalars))
            try Growth.check(growth, field)
        case "Strip":
            let start = try field.require("start").int()
            let stop = try field.require("stop").int()
            guard start >= 0, stop >= 0 else { throw .model("\(field.path): start and stop must not be negative") }
            self = .strip(try field.character("content"), start: start, stop: stop)
        case "Metaspace":
            let metaspace = try Metaspace(field)
            self = .metaspace(
                replacement: metaspace.replacement, dropsFirst: metaspace.prependScheme != .never)
        case "BPEDecoder": self = .wordSuffix(try field.string("suffix", default: "</w>"))
        default: throw field.unknownType(type, known: Self.known)
        }
    }
}
