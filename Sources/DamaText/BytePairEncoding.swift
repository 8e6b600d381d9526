import DamaSupport

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
    /// Whether a word may be split in front of each run of ``mark``, because no merge crosses that place.
    private let splitsAtMarks: Bool
    private let markID: Int32?
    /// Whether a merged token is longer than its first half, so that a pair of neighbours that has merged to a token
    /// never becomes another pair that merges to the same token.
    private let mergesGrow: Bool

    private static let directCharacters: UInt32 = 0x400
    /// SentencePiece's space.
    private static let mark: Unicode.Scalar = "▁"
    /// The most symbols of a word that is merged without a heap.
    private static let shortWord = 32

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
        let isPlain = options.continuingPrefix.isEmpty && options.unknownToken.map { !$0.utf8.isEmpty } ?? true
        mergesGrow = isPlain
        markID = vocabulary.id(of: String(Self.mark))
        splitsAtMarks = isPlain && !options.ignoresMerges && Self.splitsAtMarks(vocabulary, merges, options)
    }

    /// Whether the mark is a token, and no merge joins a token that ends in another character to one that begins with
    /// the mark. So it is for vocabularies that were trained on words. Without an unknown token there are characters
    /// that leave nothing, so that the marks around them merge.
    private static func splitsAtMarks(_ vocabulary: TokenTable, _ merges: MergeTable, _ options: Options) -> Bool {
        let bytes = Array(mark.utf8)
        guard vocabulary.id(of: String(mark)) != nil, options.endOfWordSuffix.isEmpty,
            let unknown = options.unknownToken, !unknown.unicodeScalars.contains(mark)
        else { return false }
        return merges.allPairs { left, right in
            !vocabulary.token(right, startsWith: bytes) || vocabulary.token(left, endsWith: bytes)
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
        guard splitsAtMarks, let first = Self.endOfPart(word) else { return merge(word, into: &ids) }
        var known = MergedParts()
        var part = word.startIndex..<first
        while true {
            let place = ids.count
            if let same = known.find(part, in: word) {
                for index in same { ids.append(ids[index]) }
            } else {
                merge(word[part], into: &ids)
                known.insert(part, of: word, place..<ids.count)
            }
            if part.upperBound == word.endIndex { return }
            part = part.upperBound..<(Self.endOfPart(word[part.upperBound...]) ?? word.endIndex)
        }
    }

    /// The first place behind another character where the mark stands; `nil` if there is none.
    private static func endOfPart(_ word: ArraySlice<Unicode.Scalar>) -> Int? {
        var previous = mark
        for index in word.indices {
            if word[index] == mark, previous != mark { return index }
            previous = word[index]
        }
        return nil
    }

    private func merge(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) {
        let start = ids.count
        appendSymbols(of: word, to: &ids)
        let count = ids.count - start
        if count <= 1 { return }
        if mergesGrow, count <= Self.shortWord {
            ids.removeLast(mergeShort(&ids, from: start))
        } else {
            let symbols = Array(ids[start...])
            ids.removeSubrange(start...)
            ids += merge(symbols)
        }
    }

    // MARK: - Characters

    private func appendSymbols(of word: ArraySlice<Unicode.Scalar>, to symbols: inout [Int32]) {
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
    }

    private func characterID(_ scalar: Unicode.Scalar, isFirst: Bool, isLast: Bool) -> Int32? {
        if scalar.value < Self.directCharacters, isFirst || options.continuingPrefix.isEmpty {
            let id = isLast ? finalIDs[Int(scalar.value)] : innerIDs[Int(scalar.value)]
            return id < 0 ? nil : id
        }
        if options.continuingPrefix.isEmpty, options.endOfWordSuffix.isEmpty {
            return scalar == Self.mark ? markID : vocabulary.id(of: scalar)
        }
        return vocabulary.id(of: spelling(scalar, isFirst: isFirst, isLast: isLast))
    }

    private func spelling(_ scalar: Unicode.Scalar, isFirst: Bool, isLast: Bool) -> String {
        (isFirst ? "" : options.continuingPrefix) + String(scalar) + (isLast ? options.endOfWordSuffix : "")
    }

    // MARK: - Merging

    private struct Candidate: Comparable {
        var merge: MergeTable.Merge
        var position: Int

        @inline(__always)
        static func < (a: Candidate, b: Candidate) -> Bool {
            a.merge.rank != b.merge.rank ? a.merge.rank < b.merge.rank : a.position < b.position
        }
    }

    /// Merges the neighbours of `ids` from `start` on until no merge applies: the one of lowest rank, and of equals the
    /// first. Takes a time of n², which is less than a heap's for a short word.
    ///
    /// - Returns: the number of ids at the end that are left over.
    private func mergeShort(_ ids: inout [Int32], from start: Int) -> Int {
        let none = MergeTable.Merge(rank: .max, id: -1)
        let all = ids.count - start
        return ids.withUnsafeMutableBufferPointer { ids in
            withUnsafeTemporaryAllocation(of: MergeTable.Merge.self, capacity: all) { found in
                var count = all
                // The merge of each symbol with the next one.
                found.initialize(repeating: none)
                func find(_ place: Int) {
                    guard place >= 0, place < count - 1 else { return }
                    found[place] = merges[ids[start + place], ids[start + place + 1]] ?? none
                }
                for place in 0..<all { find(place) }
                while true {
                    var best = 0
                    for place in 1..<max(1, count - 1) where found[place].rank < found[best].rank { best = place }
                    guard found[best].rank < .max else { return all - count }
                    ids[start + best] = found[best].id
                    count -= 1
                    for place in best + 1..<max(best + 1, count) {
                        ids[start + place] = ids[start + place + 1]
                        found[place] = found[place + 1]
                    }
                    found[count - 1] = none
                    find(best - 1)
                    find(best)
                }
            }
        }
    }

    /// Merges neighbours until no merge applies, in O(n log n).
    private func merge(_ symbols: [Int32]) -> [Int32] {
        var ids = symbols
        // A list linked by positions; an absorbed symbol gets the id -1.
        var previous = Array(-1..<symbols.count - 1)
        var next = Array(1...symbols.count)
        var heap = Heap<Candidate>()
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

    /// The id of a token of one character.
    func id(of scalar: Unicode.Scalar) -> Int32? {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 4) { utf8 in
            var count = 0
            for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter {
                utf8.initializeElement(at: count, to: byte)
                count += 1
            }
            return id(of: UnsafeRawBufferPointer(start: utf8.baseAddress, count: count))
        }
    }
}
