import DamaPattern
import DamaSupport

/// A step that splits text into words, which the model processes one at a time.
indirect enum PreTokenizer: Sendable {
    case sequence([PreTokenizer])
    case split(SplitPattern, SplitBehavior, isInverted: Bool)
    case byteLevel(addsPrefixSpace: Bool, splits: Bool)
    case metaspace(Metaspace)
    case digits(areIndividual: Bool)
    case whitespace
    /// `\w+|[^\w\s]+`
    case words
    case punctuation(SplitBehavior)
    case sentencePiece(SentencePieceText)

    /// - Throws: ``DamaError/Code/model`` if a pattern takes more steps than are left.
    func apply(to pieces: [Piece], budget: inout StepBudget) throws(DamaError) -> [Piece] {
        switch self {
        case .sequence(let steps):
            var pieces = pieces
            for step in steps { pieces = try step.apply(to: pieces, budget: &budget) }
            return pieces
        case .split(let pattern, let behavior, let isInverted):
            var result: [Piece] = []
            for piece in pieces {
                let matches = try pattern.matches(in: piece.scalars, budget: &budget)
                result += piece.split(at: matches, behavior, isInverted: isInverted)
            }
            return result
        case .byteLevel(let addsPrefixSpace, let splits):
            var result: [Piece] = []
            for var piece in pieces {
                if addsPrefixSpace, piece.scalars.first != " " {
                    piece.scalars = ([" "] + piece.scalars)[...]
                }
                var words = [piece]
                if splits {
                    words = piece.split(at: try Self.gpt2.matches(in: piece.scalars, budget: &budget), .isolated)
                }
                for word in words {
                    result.append(Piece(ByteAlphabet.encode(word.scalars), startsText: word.startsText))
                }
            }
            return result
        case .metaspace(let metaspace):
            return pieces.flatMap(metaspace.split)
        case .digits(let areIndividual):
            return pieces.flatMap { piece in
                let matches = piece.scalars.indices.filter { UnicodeClass.isNumeric(piece.scalars[$0]) }
                return piece.split(at: matches.map { $0..<$0 + 1 }, areIndividual ? .isolated : .contiguous)
            }
        case .whitespace:
            return pieces.flatMap { piece in
                let matches = piece.scalars.indices.filter { UnicodeClass.isSpace(piece.scalars[$0]) }
                return piece.split(at: matches.map { $0..<$0 + 1 }, .removed)
            }
        case .words: return pieces.flatMap(Self.words)
        case .punctuation(let behavior):
            return pieces.flatMap { piece in
                let matches = piece.scalars.indices.filter { UnicodeClass.isPunctuation(piece.scalars[$0]) }
                return piece.split(at: matches.map { $0..<$0 + 1 }, behavior)
            }
        case .sentencePiece(let text): return pieces.flatMap(text.apply)
        }
    }

    /// Runs of word characters, and runs of others that are no spaces.
    private static func words(_ piece: Piece) -> [Piece] {
        var result: [Piece] = []
        var start = piece.scalars.startIndex
        func kind(_ scalar: Unicode.Scalar) -> Int {
            UnicodeClass.isWord(scalar) ? 2 : UnicodeClass.isSpace(scalar) ? 0 : 1
        }
        while start < piece.scalars.endIndex {
            let first = kind(piece.scalars[start])
            let end = piece.scalars[start...].firstIndex { kind($0) != first } ?? piece.scalars.endIndex
            if first > 0 { result.append(piece.part(start..<end)) }
            start = end
        }
        return result
    }

    /// GPT-2's splitting, which is part of `ByteLevel`.
    private static let gpt2 = Pattern(
        known: #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#)
}

/// SentencePiece's spaces: each becomes "▁", and words begin with one.
struct Metaspace: Sendable {
    enum PrependScheme: String, Sendable {
        case always, never, first
    }

    var replacement: Unicode.Scalar
    var prependScheme: PrependScheme
    var splits: Bool

    func split(_ piece: Piece) -> [Piece] {
        var scalars = piece.scalars.map { $0 == " " ? replacement : $0 }
        let prepends = prependScheme == .always || prependScheme == .first && piece.startsText
        if prepends, scalars.first != replacement { scalars.insert(replacement, at: 0) }
        let replaced = Piece(scalars, startsText: piece.startsText)
        guard splits else { return [replaced] }
        let matches = scalars.indices.filter { scalars[$0] == replacement }
        return replaced.split(at: matches.map { $0..<$0 + 1 }, .mergedWithNext)
    }

    /// Reads both forms: `prepend_scheme`, and the older `add_prefix_space`.
    init(_ field: JSONField) throws(DamaError) {
        replacement = try field.character("replacement")
        let addsPrefixSpace = try field["add_prefix_space"]?.bool()
        if let scheme = field["prepend_scheme"] {
            let name = try scheme.string()
            guard let value = PrependScheme(rawValue: name) else {
                throw .model("\(scheme.path): expected \"always\", \"never\" or \"first\", found \(quoted(name))")
            }
            guard addsPrefixSpace != false || value == .never else {
                throw .model("\(field.path): add_prefix_space is false, but prepend_scheme is \(quoted(name))")
            }
            prependScheme = value
        } else {
            prependScheme = addsPrefixSpace ?? true ? .always : .never
        }
        splits = try field.bool("split", default: true)
    }
}

extension PreTokenizer {
    /// The largest factor by which the steps lengthen a text.
    private var growth: Int {
        switch self {
        case .sequence(let steps): Growth.product(steps.map(\.growth))
        case .split, .digits, .whitespace, .words, .punctuation: 1
        case .sentencePiece(let text): text.growth
        // Four bytes of one character; a space before each piece.
        case .byteLevel: 5
        case .metaspace: 2
        }
    }

    private static let known =
        "Sequence, Split, ByteLevel, Metaspace, Digits, Whitespace, WhitespaceSplit and Punctuation"

    init(_ field: JSONField) throws(DamaError) {
        let type = try field.string("type")
        switch type {
        case "Sequence":
            var steps: [PreTokenizer] = []
            for step in try field.require("pretokenizers").array() { steps.append(try PreTokenizer(step)) }
            self = .sequence(steps)
            try Growth.check(growth, field)
        case "Split":
            self = .split(
                try SplitPattern(field.require("pattern")), try SplitBehavior(field.require("behavior")),
                isInverted: try field.bool("invert", default: false))
        case "ByteLevel":
            self = .byteLevel(
                addsPrefixSpace: try field.bool("add_prefix_space", default: true),
                splits: try field.bool("use_regex", default: true))
        case "Metaspace": self = .metaspace(try Metaspace(field))
        case "Digits": self = .digits(areIndividual: try field.bool("individual_digits", default: false))
        case "WhitespaceSplit": self = .whitespace
        case "Whitespace": self = .words
        case "Punctuation":
            var behavior = SplitBehavior.isolated
            if let field = field["behavior"] { behavior = try SplitBehavior(field) }
            self = .punctuation(behavior)
        default: throw field.unknownType(type, known: Self.known)
        }
    }
}

extension SplitBehavior {
    init(_ field: JSONField) throws(DamaError) {
        let name = try field.string()
        guard let value = SplitBehavior(rawValue: name) else {
            throw .model("\(field.path): unknown behavior \(quoted(name))")
        }
        self = value
    }
}
