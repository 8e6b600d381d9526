@testable import DamaSupport
@testable import DamaText

/// Byte-pair encoding by its definition: of all neighbours that merge, those of lowest rank do, the first of equals,
/// until none is left. Nothing is remembered, and a word is never divided.
struct PlainMerging {
    let vocabulary: TokenTable
    let options: BytePairEncoding.Options
    /// The rank of two neighbours, and what they become; `nil` if they stay.
    let merge: (Int32, Int32) -> (rank: Double, id: Int32)?

    /// Whether the definition holds: tokens that add nothing to their neighbours leave the order of merges open.
    var isDefined: Bool { options.continuingPrefix.isEmpty && options.unknownToken != "" }

    func encode(_ word: [Unicode.Scalar]) -> [Int32] {
        if word.isEmpty { return [] }
        if options.ignoresMerges, let id = vocabulary.id(of: String(scalars: word)) { return [id] }
        var ids = symbols(word)
        while true {
            var best: (rank: Double, id: Int32, place: Int)?
            for place in ids.indices.dropLast() {
                guard let found = merge(ids[place], ids[place + 1]), found.rank < best?.rank ?? .infinity else {
                    continue
                }
                best = (found.rank, found.id, place)
            }
            guard let best else { return ids }
            ids[best.place] = best.id
            ids.remove(at: best.place + 1)
        }
    }

    /// The tokens of characters. The unknown token of a character stands behind the bytes of those that follow it.
    private func symbols(_ word: [Unicode.Scalar]) -> [Int32] {
        let unknown = options.unknownToken.flatMap { vocabulary.id(of: $0) }
        var ids: [Int32] = []
        var waiting = false
        for (place, scalar) in word.enumerated() {
            let text = String(scalar) + (place == word.count - 1 ? options.endOfWordSuffix : "")
            if let id = vocabulary.id(of: text) {
                if waiting, let unknown { ids.append(unknown) }
                waiting = false
                ids.append(id)
            } else if options.fallsBackToBytes, let bytes = bytes(of: text) {
                ids += bytes
            } else if let unknown {
                if waiting, !options.fusesUnknown { ids.append(unknown) }
                waiting = true
            }
        }
        if waiting, let unknown { ids.append(unknown) }
        return ids
    }

    private func bytes(of text: String) -> [Int32]? {
        let ids = text.utf8.compactMap { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            return vocabulary.id(of: "<0x" + (digits.count < 2 ? "0" : "") + digits + ">")
        }
        return ids.count == text.utf8.count ? ids : nil
    }
}

extension PlainMerging {
    /// The merges of a tokenizer.json that was read.
    init(_ model: BytePairEncoding, json: JSON) {
        struct Pair: Hashable { let left, right: Int32 }
        var merges: [Pair: (rank: Double, id: Int32)] = [:]
        for (rank, element) in (json["merges"]?.array ?? []).enumerated() {
            var names = element.array?.compactMap(\.string) ?? []
            if let pair = element.string.flatMap({ BytePairEncoding.pair($0) }) { names = [pair.left, pair.right] }
            guard names.count == 2, let left = model.vocabulary.id(of: names[0]),
                let right = model.vocabulary.id(of: names[1]), let id = model.vocabulary.id(of: names[0] + names[1])
            else { continue }
            merges[Pair(left: left, right: right)] = (Double(rank), id)
        }
        self.init(vocabulary: model.vocabulary, options: model.options) { merges[Pair(left: $0, right: $1)] }
    }

    /// A SentencePiece model: two pieces merge if their texts together are a piece; its score is the rank.
    init(_ model: BytePairEncoding, _ file: SentencePieceModel) {
        self.init(vocabulary: model.vocabulary, options: model.options) { left, right in
            let pieces = [file.pieces[Int(left)], file.pieces[Int(right)]]
            guard pieces.allSatisfy({ $0.type == .normal }),
                let id = model.vocabulary.id(of: pieces[0].text + pieces[1].text), file.pieces[Int(id)].type == .normal
            else { return nil }
            return (-Double(file.pieces[Int(id)].score), id)
        }
    }
}
