import DamaSupport

extension Tokenizer {
    /// Reads the tokenizer of a Hugging Face directory. The first of these that exists: tokenizer.json; CLIP's
    /// vocab.json and merges.txt; a SentencePiece model, tokenizer.model or spiece.model. The roles of special tokens,
    /// and added tokens that are missing in these files, come from tokenizer_config.json, special_tokens_map.json and
    /// added_tokens.json if these exist.
    ///
    /// - Throws: ``DamaError/Code/io`` if none exists; ``DamaError/Code/model`` naming the file and the field;
    ///   ``DamaError/Code/unsupported`` for a kind of tokenizer that is not supported.
    public convenience init(directory: String) throws(DamaError) {
        let roles = try TokenizerConfiguration(directory: directory)
        let files = try Self.files(in: directory).map { "\(directory)/\($0)" }
        if files.count == 2 {
            try self.init(vocabulary: files[0], merges: files[1])
        } else if files[0].hasSuffix(".json") {
            try self.init(file: files[0], roles: roles)
        } else {
            let config = "\(directory)/tokenizer_config.json"
            try self.init(
                sentencePiece: files[0], config: Files.exists(config) ? try Files.readJSON(config) : nil, roles: roles)
        }
    }

    /// The names of the one or two files that hold the vocabulary of a directory's tokenizer.
    ///
    /// - Throws: ``DamaError/Code/io`` if there are none.
    package static func files(in directory: String) throws(DamaError) -> [String] {
        for names in [["tokenizer.json"], ["vocab.json", "merges.txt"], ["tokenizer.model"], ["spiece.model"]]
        where names.allSatisfy({ Files.exists("\(directory)/\($0)") }) { return names }
        throw .io(
            "\(directory) contains neither tokenizer.json nor vocab.json with merges.txt nor tokenizer.model nor "
                + "spiece.model")
    }

    /// Reads one tokenizer.json.
    public convenience init(json path: String) throws(DamaError) {
        try self.init(file: path, roles: TokenizerConfiguration())
    }

    /// Reads a parsed tokenizer.json.
    package convenience init(json: JSON) throws(DamaError) {
        try self.init(json, roles: TokenizerConfiguration())
    }

    private convenience init(file path: String, roles: TokenizerConfiguration) throws(DamaError) {
        let json = try Files.readJSON(path)
        do {
            try self.init(json, roles: roles)
        } catch {
            throw DamaError(error.code, "\(path): \(error.message)")
        }
    }

    convenience init(_ json: JSON, roles: TokenizerConfiguration) throws(DamaError) {
        guard json.object != nil else { throw .model("expected an object, found \(json.kind)") }
        let root = JSONField(json, "")
        let model = try SubwordModels.read(root.require("model"))
        var normalizer: Normalizer?
        if let field = root["normalizer"] { normalizer = try Normalizer(field) }
        var preTokenizer: PreTokenizer?
        if let field = root["pre_tokenizer"] { preTokenizer = try PreTokenizer(field) }
        var decoder: TokenDecoder?
        if let field = root["decoder"] { decoder = try TokenDecoder(field) }

        var tokens: [AddedTokens.Token] = []
        if let field = root["added_tokens"] {
            for token in try field.array() {
                tokens.append(try AddedTokens.Token(token, vocabulary: model.vocabulary))
            }
        }
        let changes = try roles.addTokens(to: &tokens, vocabulary: model.vocabulary)
        let added = try AddedTokens(tokens, normalizer: normalizer)
        var postProcessor = PostProcessor()
        if let field = root["post_processor"] {
            postProcessor = try PostProcessor(field) { id in
                guard let id = Int32(exactly: id) else { return false }
                return model.vocabulary.contains(id: id) || added.table.contains(id: id)
            }
        }
        self.init(
            normalizer: normalizer, preTokenizer: preTokenizer, model: model, postProcessor: postProcessor,
            decoder: decoder, added: added,
            specialTokens: roles.resolve(unknown: model.unknownID) {
                added.table.id(of: $0) ?? model.vocabulary.id(of: $0)
            },
            roleTexts: roles.roleTexts, tokensBesideFile: changes.map(\.key))
    }
}

extension AddedTokens.Token {
    init(_ field: JSONField, vocabulary: TokenTable) throws(DamaError) {
        content = try field.string("content")
        let number = try field.require("id").int()
        guard number >= 0, number < TokenTable.idLimit, let id = Int32(exactly: number) else {
            throw .model("\(field.path).id: \(number) is out of range; ids must be in 0..<\(TokenTable.idLimit)")
        }
        if let known = vocabulary.id(of: content), known != id {
            throw .model("\(field.path): \(quoted(content)) has id \(id) here and \(known) in model.vocab")
        }
        if let other = vocabulary.token(of: id), vocabulary.id(of: content) == nil {
            throw .model("\(field.path): id \(id) of \(quoted(content)) belongs to \(quoted(other)) in model.vocab")
        }
        self.id = id
        try readFlags(field, isSpecial: false)
    }

    /// - Parameter isSpecial: The default if the field is missing.
    mutating func readFlags(_ field: JSONField, isSpecial: Bool) throws(DamaError) {
        isSingleWord = try field.bool("single_word", default: false)
        stripsLeft = try field.bool("lstrip", default: false)
        stripsRight = try field.bool("rstrip", default: false)
        self.isSpecial = try field.bool("special", default: isSpecial)
        isNormalized = try field.bool("normalized", default: !self.isSpecial)
    }
}

extension BytePairEncoding {
    /// The `model` of a tokenizer.json.
    convenience init(_ field: JSONField) throws(DamaError) {
        if let dropout = field["dropout"] {
            guard dropout.value.double == 0 else {
                throw .unsupported("\(dropout.path): dropout makes encoding random; set it to null")
            }
        }
        var options = Options()
        options.unknownToken = try field["unk_token"]?.string()
        options.continuingPrefix = try field.string("continuing_subword_prefix", default: "")
        options.endOfWordSuffix = try field.string("end_of_word_suffix", default: "")
        options.fusesUnknown = try field.bool("fuse_unk", default: false)
        options.fallsBackToBytes = try field.bool("byte_fallback", default: false)
        options.ignoresMerges = try field.bool("ignore_merges", default: false)
        try self.init(
            vocabulary: TokenTable(field.require("vocab")), merges: Self.merges(field.require("merges")),
            options: options)
    }

    /// Reads merges as `"a b"` or `["a", "b"]`.
    private static func merges(_ field: JSONField) throws(DamaError) -> [(left: String, right: String)] {
        guard let array = field.value.array else { throw field.wrongKind("an array") }
        var merges: [(left: String, right: String)] = []
        merges.reserveCapacity(array.count)
        for (index, element) in array.enumerated() {
            switch element {
            case .string(let line):
                guard let pair = pair(line) else {
                    throw .model("\(field.path)[\(index)]: expected two tokens and a space, found \(quoted(line))")
                }
                merges.append(pair)
            case .array(let pair) where pair.count == 2:
                guard let left = pair[0].string, let right = pair[1].string else { fallthrough }
                merges.append((left, right))
            default:
                throw .model("\(field.path)[\(index)]: expected \"a b\" or [\"a\", \"b\"]")
            }
        }
        return merges
    }

    /// The two halves of a line of merges.txt.
    static func pair(_ line: some StringProtocol) -> (left: String, right: String)? {
        let utf8 = line.utf8
        guard let space = utf8.firstIndex(of: 0x20), !utf8[utf8.index(after: space)...].contains(0x20) else {
            return nil
        }
        return (
            String(decoding: utf8[..<space], as: UTF8.self),
            String(decoding: utf8[utf8.index(after: space)...], as: UTF8.self)
        )
    }
}

extension TokenTable {
    /// `{"token": id, …}`
    init(_ field: JSONField) throws(DamaError) {
        let members = try field.object().members
        self.init(capacity: members.count)
        for (token, id) in members {
            guard let number = id.int else {
                throw .model("\(field.path): the id of \(quoted(token)) is \(id.kind); expected a whole number")
            }
            try insert(token, id: number, field: field.path)
        }
    }
}
