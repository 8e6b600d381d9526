import DamaSupport

/// The files beside tokenizer.json: the roles of tokens, and tokens that were added later.
///
/// Read as transformers does: tokenizer_config.json; if it has no `added_tokens_decoder`, special_tokens_map.json,
/// whose roles take precedence, and added_tokens.json.
struct TokenizerConfiguration {
    /// The text of each token with a role, by the role's name, such as `eos_token`.
    private(set) var roleTexts: [String: String] = [:]
    /// Tokens with their declared ids.
    private var declared: [Named] = []
    /// Tokens named without an id, in their order.
    private var named: [Named] = []

    /// A token and the place in the file that names it.
    private struct Named {
        var token: AddedTokens.Token
        var path: String
        var hasID = false
    }

    init() {}

    init(directory: String) throws(DamaError) {
        let config = try Self.read("\(directory)/tokenizer_config.json")
        let decoder = config?["added_tokens_decoder"]
        if let decoder { try declare(decoder) }
        var fields = Fields()
        if let config { try fields.take(config) }
        // If `added_tokens_decoder` exists, the other two files are older.
        if decoder == nil, let map = try Self.read("\(directory)/special_tokens_map.json") { try fields.take(map) }
        for key in fields.order {
            guard let field = fields.roles[key] else { continue }
            roleTexts[key] = try Self.name(field)
            try name(field)
        }
        // A token with a role is special, regardless of its declaration.
        let withRole = Set(named.map(\.token.content))
        for index in declared.indices where withRole.contains(declared[index].token.content) {
            declared[index].token.isSpecial = true
        }
        for field in fields.further { try name(field) }
        if decoder == nil, let added = try Self.read("\(directory)/added_tokens.json") {
            let special = Set(named.map(\.token.content))
            for (content, id) in try added.object().members {
                let field = JSONField(id, added.path(to: content))
                var token = AddedTokens.Token(content: content, id: try Self.id(field.int(), field.path))
                token.isSpecial = special.contains(content)
                token.isNormalized = !token.isSpecial
                declared.append(Named(token: token, path: field.path, hasID: true))
            }
        }
        declared.sort { $0.token.id < $1.token.id }
    }

    /// A file's content, with its path as the place; `nil` if the file does not exist.
    private static func read(_ path: String) throws(DamaError) -> JSONField? {
        guard Files.exists(path) else { return nil }
        let json = try Files.readJSON(path)
        guard json.object != nil else { throw .model("\(path): expected an object, found \(json.kind)") }
        return JSONField(json, "\(path): ")
    }

    /// `{"32000": {"content": "<image>", …}, …}`
    private mutating func declare(_ decoder: JSONField) throws(DamaError) {
        for (key, value) in try decoder.object().members {
            let field = JSONField(value, decoder.path(to: key))
            guard let number = Int(key) else { throw .model("\(field.path): expected a token id as the key") }
            var token = AddedTokens.Token(
                content: try field.string("content"), id: try Self.id(number, field.path))
            try token.readFlags(field, isSpecial: false)
            declared.append(Named(token: token, path: field.path, hasID: true))
        }
    }

    /// The tokens that the files name: fields that end in `_token`, where the later file's replace the earlier's, and
    /// lists of further tokens.
    private struct Fields {
        private(set) var roles: [String: JSONField] = [:]
        private(set) var order = [
            "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
        ]
        private(set) var further: [JSONField] = []

        mutating func take(_ root: JSONField) throws(DamaError) {
            for (key, value) in try root.object().members where key.hasSuffix("_token") && value != .null {
                let isRole = order.prefix(7).contains(key)
                guard isRole || value.string != nil || value.object != nil else { continue }
                set(key, JSONField(value, root.path(to: key)))
            }
            guard let list = root["extra_special_tokens"] ?? root["additional_special_tokens"] else { return }
            if let members = list.value.object?.members {
                for (key, value) in members { set(key, JSONField(value, list.path(to: key))) }
            } else {
                further += try list.array()
            }
        }

        private mutating func set(_ key: String, _ field: JSONField) {
            if !order.contains(key) { order.append(key) }
            roles[key] = field
        }
    }

    private mutating func name(_ field: JSONField) throws(DamaError) {
        guard let content = try Self.name(field), !content.isEmpty else { return }
        guard !named.contains(where: { $0.token.content == content }) else { return }
        var token = AddedTokens.Token(content: content, id: 0, isSpecial: true)
        if field.value.object != nil { try token.readFlags(field, isSpecial: true) }
        token.isSpecial = true
        named.append(Named(token: token, path: field.path))
    }

    /// `"<s>"` or `{"content": "<s>", …}`
    private static func name(_ field: JSONField?) throws(DamaError) -> String? {
        guard let field else { return nil }
        if let name = field.value.string { return name }
        return try field.string("content")
    }

    private static func id(_ number: Int, _ path: String) throws(DamaError) -> Int32 {
        guard number >= 0, number < TokenTable.idLimit, let id = Int32(exactly: number) else {
            throw .model("\(path): id \(number) is out of range; ids must be in 0..<\(TokenTable.idLimit)")
        }
        return id
    }

    // MARK: Use

    /// Adds the tokens that are missing in tokenizer.json or another `file`, whose own are `tokens`.
    ///
    /// A token of the vocabulary keeps its id; a new one gets the next id after all others. A declared token replaces
    /// one of the same text.
    ///
    /// - Returns: The tokens that are new or differ from tokenizer.json.
    /// - Throws: ``DamaError/Code/model`` if a declared id is not the one that the token gets.
    func addTokens(
        to tokens: inout [AddedTokens.Token], vocabulary: TokenTable, of file: String = "tokenizer.json"
    ) throws(DamaError) -> [AddedTokens.Token] {
        var changes: [AddedTokens.Token] = []
        var places: [ExactText: Int] = [:]
        for (index, token) in tokens.enumerated() where places[ExactText(token.content)] == nil {
            places[ExactText(token.content)] = index
        }
        var last = tokens.map(\.id).max() ?? -1
        for entry in declared + named where !entry.token.content.isEmpty {
            var token = entry.token
            if let index = places[ExactText(token.content)] {
                token.id = tokens[index].id
                // An existing token gets flags only if they are written out for it.
                if entry.hasID, token != tokens[index] {
                    tokens[index] = token
                    changes.append(token)
                }
            } else {
                let next = last >= vocabulary.count || vocabulary.count == 0 ? last + 1 : Int32(vocabulary.count)
                let known = vocabulary.id(of: token.content)
                if let known { token.id = known } else { token.id = try Self.id(Int(next), entry.path) }
                token.hasImpliedID = known == nil && !entry.hasID
                last = max(last, token.id)
                places[ExactText(token.content)] = tokens.count
                tokens.append(token)
                changes.append(token)
            }
            guard !entry.hasID || token.id == entry.token.id else {
                throw .model(
                    "\(entry.path): \(quoted(token.content)) has id \(entry.token.id) here, but \(token.id) from "
                        + file)
            }
        }
        return changes
    }

    func resolve(unknown: Int32?, id: (String) -> Int32?) -> Tokenizer.SpecialTokens {
        func role(_ name: String) -> Int32? { roleTexts[name].flatMap(id) }
        return Tokenizer.SpecialTokens(
            bos: role("bos_token"), eos: role("eos_token"), pad: role("pad_token"), unk: role("unk_token") ?? unknown)
    }
}
