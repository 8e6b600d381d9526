import DamaPattern
import DamaSupport

/// A step that rewrites text before it is split into words.
indirect enum Normalizer: Sendable {
    case sequence([Normalizer])
    case composed
    case decomposed
    case lowercase
    case replace(SplitPattern, with: [Unicode.Scalar])
    case prepend([Unicode.Scalar])
    case strip(left: Bool, right: Bool)
    /// SentencePiece's table; `nil` changes nothing.
    case precompiled(CharacterMap?)

    /// - Returns: Whether characters at the start were removed: the text then no longer begins where the input does.
    /// - Throws: ``DamaError/Code/model`` if a pattern takes more steps than are left.
    @discardableResult
    func apply(to text: inout [Unicode.Scalar], budget: inout StepBudget) throws(DamaError) -> Bool {
        switch self {
        case .sequence(let steps):
            var removesStart = false
            for step in steps where try step.apply(to: &text, budget: &budget) { removesStart = true }
            return removesStart
        case .composed:
            // Nothing below U+0300 changes, which covers most text.
            if text.contains(where: { $0.value >= 0x300 }) { text = CanonicalForm.composed.apply(to: text) }
        case .decomposed:
            if text.contains(where: { $0.value >= 0xC0 }) { text = CanonicalForm.decomposed.apply(to: text) }
        case .lowercase:
            // Character by character: a final "Σ" becomes "σ", not "ς".
            var lower: [Unicode.Scalar] = []
            lower.reserveCapacity(text.count)
            for scalar in text {
                if scalar.value < 0x80 {
                    let isUpper = (0x41...0x5A).contains(scalar.value)
                    lower.append(isUpper ? Unicode.Scalar(UInt8(scalar.value) + 32) : scalar)
                } else {
                    lower.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
                }
            }
            text = lower
        case .replace(.literal(let literal), let content) where literal.count == 1 && content.count == 1:
            // SentencePiece's mark for a space: in place.
            for index in text.indices where text[index] == literal[0] { text[index] = content[0] }
        case .replace(let pattern, let content):
            let matches = try pattern.matches(in: text[...], budget: &budget)
            Self.replace(matches, with: content, in: &text)
            return content.isEmpty && matches.first.map { $0.lowerBound == 0 && !$0.isEmpty } ?? false
        case .prepend(let prefix):
            if !text.isEmpty { text.insert(contentsOf: prefix, at: 0) }
        case .strip(let left, let right):
            if right, let last = text.lastIndex(where: { !UnicodeClass.isSpace($0) }) {
                text.removeSubrange((last + 1)...)
            }
            var removed = 0
            if left, let first = text.firstIndex(where: { !UnicodeClass.isSpace($0) }) {
                removed = first
                text.removeSubrange(..<first)
            }
            if left || right, text.allSatisfy(UnicodeClass.isSpace) { text = [] }
            return removed > 0
        case .precompiled(let map):
            if let map { text = map.applyByGraphemes(to: text) }
        }
        return false
    }
}

extension Normalizer {
    /// Replaces each of `matches`, which are in ascending order, by `content`.
    static func replace(_ matches: [Range<Int>], with content: [Unicode.Scalar], in text: inout [Unicode.Scalar]) {
        guard !matches.isEmpty else { return }
        var replaced: [Unicode.Scalar] = []
        replaced.reserveCapacity(text.count)
        var end = 0
        for match in matches {
            replaced.append(contentsOf: text[end..<match.lowerBound])
            replaced.append(contentsOf: content)
            end = match.upperBound
        }
        replaced.append(contentsOf: text[end...])
        text = replaced
    }

    /// The largest factor by which the steps lengthen a text. A file with an unreasonable factor is rejected.
    var growth: Int {
        switch self {
        case .sequence(let steps): Growth.product(steps.map(\.growth))
        case .composed, .decomposed, .lowercase, .strip: 1
        case .replace(let pattern, let content): pattern.growth(replacedBy: content.count)
        case .prepend(let prefix): 1 + prefix.count
        case .precompiled(let map): max(1, map?.longest ?? 1)
        }
    }

    private static let known = "Sequence, NFC, NFD, Lowercase, Replace, Prepend, Strip and Precompiled"

    init(_ field: JSONField) throws(DamaError) {
        let type = try field.string("type")
        switch type {
        case "Sequence":
            var steps: [Normalizer] = []
            for step in try field.require("normalizers").array() { steps.append(try Normalizer(step)) }
            self = .sequence(steps)
            try Growth.check(growth, field)
        case "NFC": self = .composed
        case "NFD": self = .decomposed
        case "Lowercase": self = .lowercase
        case "Replace":
            let content = try field.string("content")
            self = .replace(try SplitPattern(field.require("pattern")), with: Array(content.unicodeScalars))
            try Growth.check(growth, field)
        case "Prepend":
            self = .prepend(Array(try field.string("prepend").unicodeScalars))
            try Growth.check(growth, field)
        case "Strip":
            self = .strip(
                left: try field.bool("strip_left", default: true), right: try field.bool("strip_right", default: true))
        case "Precompiled":
            self = .precompiled(try CharacterMap(field.require("precompiled_charsmap")))
            try Growth.check(growth, field)
        default: throw field.unknownType(type, known: Self.known)
        }
    }
}

/// The bound on how much a tokenizer's steps may lengthen a text; known tokenizers stay below 10.
enum Growth {
    static let limit = 256

    static func product(_ factors: [Int]) -> Int {
        factors.reduce(1) { $1 > limit ? limit + 1 : min($0 * $1, limit + 1) }
    }

    static func check(_ growth: Int, _ field: JSONField) throws(DamaError) {
        guard growth <= limit else {
            throw .unsupported("\(field.path): making a text more than \(limit) times longer is not supported")
        }
    }
}

extension SplitPattern {
    /// The factor by which a text may grow if every match is replaced by `count` scalars.
    func growth(replacedBy count: Int) -> Int {
        switch self {
        case .literal(let literal): literal.isEmpty ? 1 : max(1, (count + literal.count - 1) / literal.count)
        // A match may be a single character, or empty before every character.
        case .expression: 1 + count
        }
    }

    init(_ field: JSONField) throws(DamaError) {
        if let literal = field["String"] {
            self = .literal(Array(try literal.string().unicodeScalars))
        } else if let expression = field["Regex"] {
            let source = try expression.string()
            do {
                self = .expression(try Pattern(source))
            } catch {
                throw DamaError(error.code, "\(expression.path): \(error.message)")
            }
        } else {
            throw .model("\(field.path): expected {\"String\": …} or {\"Regex\": …}")
        }
    }
}
