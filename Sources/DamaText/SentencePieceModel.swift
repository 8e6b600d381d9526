import DamaSupport

/// A SentencePiece model (tokenizer.model, spiece.model): the parts of `ModelProto` that encoding depends on.
///
/// Field numbers and defaults: sentencepiece_model.proto of SentencePiece 0.2.
struct SentencePieceModel: Sendable {
    enum Kind: Int {
        case unigram = 1
        case bpe, word, char
    }

    enum PieceType: Int {
        case normal = 1
        case unknown, control, userDefined, unused, byte
    }

    struct Piece: Sendable {
        var text = ""
        var score: Float = 0
        var type = PieceType.normal
    }

    private(set) var pieces: [Piece] = []
    private(set) var vocabulary = TokenTable(capacity: 0)
    private(set) var kind = Kind.unigram
    private(set) var unknownID: Int32 = 0
    /// Trainer settings.
    private(set) var fallsBackToBytes = false
    private(set) var putsSpaceAfterWords = false
    /// Pieces with a role; `nil` if the model has none.
    private(set) var bos: String?
    private(set) var eos: String?
    private(set) var pad: String?
    /// Normaliser settings.
    private(set) var characterMap: CharacterMap?
    private(set) var addsDummyPrefix = true
    private(set) var removesExtraSpaces = true
    private(set) var escapesSpaces = true

    /// - Throws: ``DamaError/Code/model`` if `bytes` are not a sound model; ``DamaError/Code/unsupported`` for a kind of
    ///   model or a setting that is not supported.
    init(_ bytes: [UInt8]) throws(DamaError) {
        var reader = ProtobufReader(bytes[...], "the file")
        var isDenormalized = false
        while let (number, value) = try reader.next() {
            switch number {
            case 1:
                guard pieces.count < TokenTable.idLimit else { throw reader.broken("too many pieces") }
                pieces.append(try Self.piece(reader.bytes(value, "pieces"), number: pieces.count))
            case 2: try readTrainer(reader.bytes(value, "trainer_spec"))
            case 3: try readNormalizer(reader.bytes(value, "normalizer_spec"))
            case 5:
                var inner = ProtobufReader(try reader.bytes(value, "denormalizer_spec"), "denormalizer_spec")
                while let (number, value) = try inner.next() {
                    if number == 2 { isDenormalized = try !inner.bytes(value, "precompiled_charsmap").isEmpty }
                }
            default: break
            }
        }
        guard !pieces.isEmpty else { throw reader.broken("it has no pieces") }
        guard kind == .unigram || kind == .bpe else {
            let name = kind == .word ? "WORD" : "CHAR"
            throw .unsupported("model_type \(name) is not supported; supported are UNIGRAM and BPE")
        }
        guard !isDenormalized else { throw .unsupported("a denormalizer_spec with a character map is not supported") }
        try index()
    }

    private static func piece(_ bytes: ArraySlice<UInt8>, number: Int) throws(DamaError) -> Piece {
        var piece = Piece()
        var reader = ProtobufReader(bytes, "pieces[\(number)]")
        while let (number, value) = try reader.next() {
            switch number {
            case 1: piece.text = try reader.string(value, "piece")
            case 2:
                guard case .fixed32(let bits) = value else { throw reader.broken("score is not a number") }
                piece.score = Float(bitPattern: bits)
            case 3:
                let type = try reader.int(value, "type")
                guard let known = PieceType(rawValue: type) else { throw reader.broken("type \(type) is unknown") }
                piece.type = known
            default: break
            }
        }
        guard !piece.text.isEmpty else { throw reader.broken("the piece is empty") }
        guard piece.score.isFinite else { throw reader.broken("the score is \(piece.score)") }
        return piece
    }

    /// The id and the name of a piece with a role.
    private struct Role {
        var id: Int
        var piece: String
    }

    private mutating func readTrainer(_ bytes: ArraySlice<UInt8>) throws(DamaError) {
        var roles = [Role(id: 1, piece: "<s>"), Role(id: 2, piece: "</s>"), Role(id: -1, piece: "<pad>")]
        var reader = ProtobufReader(bytes, "trainer_spec")
        while let (number, value) = try reader.next() {
            switch number {
            case 3:
                let type = try reader.int(value, "model_type")
                guard let known = Kind(rawValue: type) else { throw reader.broken("model_type \(type) is unknown") }
                kind = known
            case 24: putsSpaceAfterWords = try reader.bool(value, "treat_whitespace_as_suffix")
            case 35: fallsBackToBytes = try reader.bool(value, "byte_fallback")
            case 41...43: roles[number - 41].id = try reader.int(value, "ids")
            case 46...48: roles[number - 46].piece = try reader.string(value, "pieces")
            default: break
            }
        }
        func name(_ role: Role) -> String? { role.id < 0 ? nil : role.piece }
        (bos, eos, pad) = (name(roles[0]), name(roles[1]), name(roles[2]))
    }

    private mutating func readNormalizer(_ bytes: ArraySlice<UInt8>) throws(DamaError) {
        var reader = ProtobufReader(bytes, "normalizer_spec")
        while let (number, value) = try reader.next() {
            switch number {
            case 2:
                let map = Array(try reader.bytes(value, "precompiled_charsmap"))
                characterMap = map.isEmpty ? nil : try CharacterMap(map)
            case 3: addsDummyPrefix = try reader.bool(value, "add_dummy_prefix")
            case 4: removesExtraSpaces = try reader.bool(value, "remove_extra_whitespaces")
            case 5: escapesSpaces = try reader.bool(value, "escape_whitespaces")
            default: break
            }
        }
        guard characterMap?.longest ?? 0 <= Growth.limit else {
            throw .unsupported("the character map makes a text more than \(Growth.limit) times longer")
        }
    }

    private mutating func index() throws(DamaError) {
        vocabulary = TokenTable(capacity: pieces.count)
        var unknown: Int32?
        for (id, piece) in pieces.enumerated() {
            try vocabulary.insert(piece.text, id: id, field: "pieces")
            guard piece.type == .unknown else { continue }
            guard unknown == nil else { throw .model("pieces[\(id)]: the model has more than one unknown piece") }
            unknown = Int32(id)
        }
        guard let unknown else { throw .model("the model has no unknown piece") }
        unknownID = unknown
        // A role without a piece of its name is none.
        func known(_ piece: String?) -> String? { piece.flatMap { vocabulary.id(of: $0) == nil ? nil : $0 } }
        (bos, eos, pad) = (known(bos), known(eos), known(pad))
    }
}

extension SentencePieceModel {
    /// The model that encodes words as SentencePiece does.
    func subwords() throws(DamaError) -> any SubwordModel {
        if kind == .bpe { return try BytePairEncoding(vocabulary: vocabulary, merges: merges(), options: bpeOptions) }
        var options = Unigram.Options()
        options.unknownID = unknownID
        options.fallsBackToBytes = fallsBackToBytes
        options.isSinglePrecision = true
        let normal = pieces.indices.filter { pieces[$0].type == .normal }.map {
            Unigram.Piece(text: pieces[$0].text, id: Int32($0), score: Double(pieces[$0].score))
        }
        return try Unigram(vocabulary: vocabulary, pieces: normal, options: options)
    }

    private var bpeOptions: BytePairEncoding.Options {
        var options = BytePairEncoding.Options()
        options.unknownToken = pieces[Int(unknownID)].text
        options.fusesUnknown = true
        options.fallsBackToBytes = fallsBackToBytes
        return options
    }

    /// All pairs of pieces that form a piece. Pairs that form the same piece have the same rank, so that the leftmost
    /// is merged first; a higher score is a lower rank.
    private func merges() throws(DamaError) -> MergeTable {
        let normal = pieces.indices.filter { pieces[$0].type == .normal }
        let order = Set(normal.map { pieces[$0].score }).sorted(by: >)
        let ranks = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, UInt32($0)) })
        var table = MergeTable(capacity: normal.count * 2)
        for id in normal {
            let text = pieces[id].text
            guard text.utf8.count <= 4 * Unigram.longestPiece else {
                throw .unsupported("pieces[\(id)]: more than \(4 * Unigram.longestPiece) bytes are not supported")
            }
            for middle in text.unicodeScalars.indices.dropFirst() {
                guard let left = mergeable(text[..<middle]), let right = mergeable(text[middle...]) else { continue }
                table.insert(left, right, MergeTable.Merge(rank: ranks[pieces[id].score] ?? 0, id: Int32(id)))
            }
        }
        return table
    }

    private func mergeable(_ text: Substring) -> Int32? {
        guard let id = vocabulary.id(of: String(text)), pieces[Int(id)].type == .normal else { return nil }
        return id
    }
}
