import DamaSupport

/// A step that rewrites text before it is cut into words.
indirect enum Normalizer: Sendable {
    case sequence([Normalizer])
    case composed
    case decomposed
    case lowercase
    case replace(SplitPattern, with: [Unicode.Scalar])
    case prepend([Unicode.Scalar])
    case strip(left: Bool, right: Bool)

    func apply(to text: inout [Unicode.Scalar]) {
        switch self {
        case .sequence(let steps):
            for step in steps { step.apply(to: &text) }
        case .composed:
            // Nothing below U+0300 changes, and that covers most text.
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
        case .replace(let pattern, let content):
            let matches = pattern.matches(in: text[...])
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
        case .prepend(let prefix):
            if !text.isEmpty { text.insert(contentsOf: prefix, at: 0) }
        case .strip(let left, let right):
            if right, let last = text.lastIndex(where: { !UnicodeClass.isSpace($0) }) {
                text.removeSubrange((last + 1)...)
            }
            if left, let first = text.firstIndex(where: { !UnicodeClass.isSpace($0) }) {
                text.removeSubrange(..<first)
            }
            if left || right, text.allSatisfy(UnicodeClass.isSpace) { text = [] }
        }
    }
}

extension Normalizer {
    private static let known = "Sequence, NFC, NFD, Lowercase, Replace, Prepend and Strip"

    init(_ field: JSONField) throws(DamaError) {
        let type = try field.string("type")
        switch type {
        case "Sequence":
            var steps: [Normalizer] = []
            for step in try field.require("normalizers").array() { steps.append(try Normalizer(step)) }
            self = .sequence(steps)
        case "NFC": self = .composed
        case "NFD": self = .decomposed
        case "Lowercase": self = .lowercase
        case "Replace":
            let content = try field.string("content")
            self = .replace(try SplitPattern(field.require("pattern")), with: Array(content.unicodeScalars))
        case "Prepend": self = .prepend(Array(try field.string("prepend").unicodeScalars))
        case "Strip":
            self = .strip(
                left: try field.bool("strip_left", default: true), right: try field.bool("strip_right", default: true))
        default: throw field.unknownType(type, known: Self.known)
        }
    }
}

extension SplitPattern {
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
