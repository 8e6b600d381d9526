import DamaSupport
import Synchronization

/// Byte-pair encoding: a word is split into characters, and neighbouring pairs merge, lowest rank first.
///
/// The result equals that of Hugging Face's `BPE` model, options included: unknown tokens (fused or not), byte
/// fallback, `end_of_word_suffix`, `continuing_subword_prefix`, `ignore_merges`. Dropout is rejected, because it would
/// make encoding random.
final class BytePairEncoding: SubwordModel {
    struct Options: Sendable {
        var unknownToken: String?
        var continuingPrefix = ""
        var endOfWordSuffix = ""
        var fusesUnknown = false
        var fallsBackToBytes = false
        var ignoresMerges = false
    }

    let vocabulary: TokenTable
    let options: Options
    private let merges: MergeTable
    let unknownID: Int32?
    private let bytes: ByteTokens
    /// Ids of the characters below U+0400, in the middle of a word and at its end; -1 if there is none.
    private let innerIDs: [Int32]
    private let finalIDs: [Int32]
    private let cache = Mutex<[[Unicode.Scalar]: [Int32]]>([:])

    private static let directCharacters: UInt32 = 0x400
    private static let cachedWords = 16_384
    private static let longestCachedWord = 64

    /// - Throws: ``DamaError/Code/model`` if the unknown token is not in the vocabulary.
    init(vocabulary: TokenTable, merges: MergeTable, options: Options) throws(DamaError) {
        self.vocabulary = vocabulary
        self.options = options
        self.merges = merges
        if let token = options.unknownToken {
            guard let id = vocabulary.id(of: token) else {
                throw .model("model.unk_token: \(quoted(token)) is not in model.vocab")
            }
            unknownID = id
        } else {
            unknownID = nil
        }
        bytes = ByteTokens(vocabulary)
        let plain = (0..<Self.directCharacters).map { vocabulary.id(of: String(Unicode.Scalar($0) ?? " ")) ?? -1 }
        let suffix = options.endOfWordSuffix
        innerIDs = plain
        finalIDs =
            suffix.isEmpty
            ? plain
            : (0..<Self.directCharacters).map {
                vocabulary.id(of: String(Unicode.Scalar($0) ?? " ") + suffix) ?? -1
            }
    }

    /// - Parameter pairs: Pairs of tokens, lowest rank first.
    /// - Throws: ``DamaError/Code/model`` if a merge names a token that is not in the vocabulary, or the unknown token
    ///   is missing.
    convenience init(
        vocabulary: TokenTable, merges pairs: [(left: String, right: String)], options: Options
    ) throws(DamaError) {
        guard pairs.count < Int32.max else { throw .model("model.merges: too many merges (\(pairs.count))") }
        var table = MergeTable(capacity: pairs.count)
        for (rank, pair) in pairs.enumerated() {
            guard let left = vocabulary.id(of: pair.left) else {
                throw .model("model.merges[\(rank)]: \(quoted(pair.left)) is not in model.vocab")
            }
            guard let right = vocabulary.id(of: pair.right) else {
                throw .model("model.merges[\(rank)]: \(quoted(pair.right)) is not in model.vocab")
            }
            guard pair.right.utf8.starts(with: options.continuingPrefix.utf8) else {
                throw .model(
                    "model.merges[\(rank)]: \(quoted(pair.right)) does not begin with the continuing_subword_prefix "
                        + quoted(options.continuingPrefix))
            }
            let tail = String(decoding: pair.right.utf8.dropFirst(options.continuingPrefix.utf8.count), as: UTF8.self)
            guard let merged = vocabulary.id(of: pair.left + tail) else {
                throw .model(
                    "model.merges[\(rank)]: \(quoted(pair.left)) and \(quoted(pair.right)) merge to "
                        + "\(quoted(pair.left + tail)), which is not in model.vocab")
            }
            table.insert(left, right, MergeTable.Merge(rank: UInt32(rank), id: merged))
        }
        try self.init(vocabulary: vocabulary, merges: table, options: options)
    }

    /// Appends the ids of one word, a piece from the pre-tokenizer.
    func encode(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) {
        if word.isEmpty { return }
        if options.ignoresMerges, let id = vocabulary.id(of: word) {
            ids.append(id)
            return
        }
        guard word.count <= Self.longestCachedWord else {
            ids.append(contentsOf: merge(symbols(of: word)))
            return
        }
        let key = Array(word)
        if let known = cache.withLock({ $0[key] }) {
            ids.append(contentsOf: known)
            return
        }
        let encoded = merge(symbols(of: word))
        cache.withLock {
            if $0.count >= Self.cachedWords { $0.removeAll(keepingCapacity: true) }
            $0[key] = encoded
        }
        ids.append(contentsOf: encoded)
    }

    // MARK: - Characters

    private func symbols(of word: ArraySlice<Unicode.Scalar>) -> [Int32] {
        var symbols: [Int32] = []
        symbols.reserveCapacity(word.count)
        // An unknown character is delayed, so that the next one can be fused with it.
        var pending: Int32?
        for index in word.indices {
            let isFirst = index == word.startIndex
            let isLast = index == word.endIndex - 1
            if let id = characterID(word[index], isFirst: isFirst, isLast: isLast) {
                if let unknown = pending { symbols.append(unknown) }
                pending = nil
                symbols.append(id)
                continue
            }
            if options.fallsBackToBytes,
                let found = bytes.ids(of: spelling(word[index], isFirst: isFirst, isLast: isLast))
            {
                symbols.append(contentsOf: found)
                continue
            }
            guard let unknownID else { continue }
            if let unknown = pending, !options.fusesUnknown { symbols.append(unknown) }
            pending = unknownID
        }
        if let unknown = pending { symbols.append(unknown) }
        return symbols
    }

    private func characterID(_ scalar: Unicode.Scalar, isFirst: Bool, isLast: Bool) -> Int32? {
        if scalar.value < Self.directCharacters, isFirst || options.continuingPrefix.isEmpty {
            let id = isLast ? finalIDs[Int(scalar.value)] : innerIDs[Int(scalar.value)]
            return id < 0 ? nil : id
        }
        return vocabulary.id(of: spelling(scalar, isFirst: isFirst, isLast: isLast))
    }

    private func spelling(_ scalar: Unicode.Scalar, isFirst: Bool, isLast: Bool) -> String {
        (isFirst ? "" : options.continuingPrefix) + String(scalar) + (isLast ? options.endOfWordSuffix : "")
    }

    // MARK: - Merging

    private struct Candidate {
        var merge: MergeTable.Merge
        var position: Int

        func precedes(_ other: Candidate) -> Bool {
            merge.rank != other.merge.rank ? merge.rank < other.merge.rank : position < other.position
        }
    }

    /// Merges neighbours until no merge applies, in O(n log n).
    private func merge(_ symbols: [Int32]) -> [Int32] {
        guard symbols.count > 1 else { return symbols }
        var ids = symbols
        // A list linked by positions; an absorbed symbol gets the id -1.
        var previous = Array(-1..<symbols.count - 1)
        var next = Array(1...symbols.count)
        var heap = Heap<Candidate> { $0.precedes($1) }
        for position in 0..<symbols.count - 1 {
            if let merge = merges[ids[position], ids[position + 1]] {
                heap.push(Candidate(merge: merge, position: position))
            }
        }
        while let best = heap.pop() {
            let position = best.position
            guard ids[position] >= 0, next[position] < ids.count else { continue }
            let right = next[position]
            // The symbols may have changed since; the merge is valid if they still merge to the same token.
            guard let current = merges[ids[position], ids[right]], current.id == best.merge.id else { continue }
            ids[position] = best.merge.id
            ids[right] = -1
            next[position] = next[right]
            if next[position] < ids.count { previous[next[position]] = position }
            let left = previous[position]
            if left >= 0, let merge = merges[ids[left], ids[position]] {
                heap.push(Candidate(merge: merge, position: left))
            }
            if next[position] < ids.count, let merge = merges[ids[position], ids[next[position]]] {
                heap.push(Candidate(merge: merge, position: position))
            }
        }
        return ids.filter { $0 >= 0 }
    }
}

extension TokenTable {
    /// The id of a token given as scalars.
    func id(of scalars: ArraySlice<Unicode.Scalar>) -> Int32? { id(of: String(scalars: scalars)) }
}
