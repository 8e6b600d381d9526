import DamaSupport

/// A unigram model: of all ways to divide a word into pieces, the one with the greatest sum of scores.
///
/// A character that no piece covers costs the lowest score less 10. Neighbouring unknown characters are one token. The
/// result equals that of Hugging Face's `Unigram` (sums in double precision), or SentencePiece's (in single precision).
final class Unigram: SubwordModel {
    struct Options: Sendable {
        var unknownID: Int32?
        var fallsBackToBytes = false
        /// Each sum is rounded to single precision.
        var isSinglePrecision = false
    }

    let vocabulary: TokenTable
    private let options: Options
    private let trie: PieceTrie
    /// The score of each id.
    private let scores: [Double]
    private let unknownScore: Double
    private let bytes: ByteTokens

    /// Longer pieces are refused: the time of a text is its length times that of the longest piece.
    static let longestPiece = 256

    var unknownID: Int32? { options.unknownID }

    /// A piece that may be part of a text, and its score.
    struct Piece {
        var text: String
        var id: Int32
        var score: Double
    }

    /// - Parameters:
    ///   - pieces: The ids are those of `vocabulary`, which may contain more tokens.
    /// - Throws: ``DamaError/Code/unsupported`` for a piece of more than 256 characters.
    init(vocabulary: TokenTable, pieces: [Piece], options: Options) throws(DamaError) {
        self.vocabulary = vocabulary
        self.options = options
        var trie = PieceTrie()
        var scores = [Double](repeating: 0, count: vocabulary.idEnd)
        var lowest = Double.infinity
        for piece in pieces {
            let scalars = piece.text.unicodeScalars
            guard scalars.count <= Self.longestPiece else {
                throw .unsupported(
                    "piece \(piece.id) has more than \(Self.longestPiece) characters, which is not supported")
            }
            guard Int(piece.id) < scores.count else { continue }
            lowest = min(lowest, piece.score)
            scores[Int(piece.id)] = piece.score
            if !scalars.isEmpty { trie.insert(scalars, piece.id) }
        }
        self.trie = trie
        self.scores = scores
        let unknownScore = (lowest.isFinite ? lowest : 0) - 10
        self.unknownScore = options.isSinglePrecision ? Double(Float(unknownScore)) : unknownScore
        bytes = ByteTokens(vocabulary)
    }

    func encode(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) throws(DamaError) {
        guard !word.isEmpty else { return }
        let path = bestPath(word)
        var end = word.count
        // Ranges of the pieces in reverse order; neighbouring unknown ones become one.
        var pieces: [(range: Range<Int>, id: Int32)] = []
        while end > 0 {
            let start = Int(path[end].start)
            let id = path[end].id
            let isUnknown = id < 0 || id == options.unknownID
            if isUnknown, let last = pieces.last, last.id < 0, last.range.lowerBound == end {
                pieces[pieces.count - 1].range = start..<last.range.upperBound
            } else {
                pieces.append((start..<end, isUnknown ? -1 : id))
            }
            end = start
        }
        for (range, id) in pieces.reversed() {
            if id >= 0 {
                ids.append(id)
                continue
            }
            let text = word[word.startIndex + range.lowerBound..<word.startIndex + range.upperBound]
            if let known = trie.id(of: text) {
                ids.append(known)
            } else if options.fallsBackToBytes, let found = bytes.ids(of: String(scalars: text)) {
                ids += found
            } else if let unknown = options.unknownID {
                ids.append(unknown)
            } else {
                throw .model(
                    "no token covers \(quoted(String(scalars: text))), and the tokenizer has no unknown token "
                        + "(model.unk_id)")
            }
        }
    }

    /// The last piece of the best path to a place. The id of an unknown character is -1.
    private struct Step {
        var score = 0.0
        var start: Int32 = -1
        var id: Int32 = -1
    }

    private func bestPath(_ word: ArraySlice<Unicode.Scalar>) -> [Step] {
        var path = [Step](repeating: Step(), count: word.count + 1)
        for start in 0..<word.count {
            let score = path[start].score
            var coversCharacter = false
            trie.forEachPrefix(of: word[(word.startIndex + start)...]) { length, id in
                improve(&path[start + length], score + scores[Int(id)], start, id)
                if length == 1 { coversCharacter = true }
            }
            if !coversCharacter { improve(&path[start + 1], score + unknownScore, start, -1) }
        }
        return path
    }

    @inline(__always)
    private func improve(_ step: inout Step, _ score: Double, _ start: Int, _ id: Int32) {
        let score = rounded(score)
        if step.start < 0 || score > step.score { step = Step(score: score, start: Int32(start), id: id) }
    }

    @inline(__always)
    private func rounded(_ score: Double) -> Double { options.isSinglePrecision ? Double(Float(score)) : score }
}

extension Unigram {
    /// The `model` of a tokenizer.json: `{"unk_id": 0, "vocab": [["<unk>", 0], ["▁the", -3.2], …]}`.
    convenience init(_ field: JSONField) throws(DamaError) {
        let list = try field.require("vocab")
        guard let rows = list.value.array else { throw list.wrongKind("an array") }
        guard !rows.isEmpty else { throw .model("\(list.path) is empty") }
        var vocabulary = TokenTable(capacity: rows.count)
        var pieces: [Piece] = []
        pieces.reserveCapacity(min(rows.count, TokenTable.idLimit))
        for (index, row) in rows.enumerated() {
            guard let pair = row.array, pair.count == 2, let text = pair[0].string, let score = pair[1].double,
                score.isFinite
            else { throw .model("\(list.path)[\(index)]: expected [\"piece\", score], found \(row.kind)") }
            try vocabulary.insert(text, id: index, field: list.path)
            pieces.append(Piece(text: text, id: Int32(index), score: score))
        }
        var options = Options()
        if let unknown = field["unk_id"] {
            let id = try unknown.int()
            guard id >= 0, id < rows.count else {
                throw .model("\(unknown.path): \(id) is out of range; \(list.path) has \(rows.count) pieces")
            }
            options.unknownID = Int32(id)
        }
        options.fallsBackToBytes = try field.bool("byte_fallback", default: false)
        do {
            try self.init(vocabulary: vocabulary, pieces: pieces, options: options)
        } catch {
            throw DamaError(error.code, "\(list.path): \(error.message)")
        }
    }
}
