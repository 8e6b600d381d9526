import DamaSupport

extension Tokenizer {
    /// Reads a SentencePiece model of a directory without a tokenizer.json.
    ///
    /// A text is divided as SentencePiece divides it. What stands around that (added tokens, the tokens at both ends,
    /// `legacy`) is that of transformers 5's class `tokenizer_class`.
    convenience init(
        sentencePiece path: String, config: JSON?, roles: TokenizerConfiguration
    ) throws(DamaError) {
        let bytes = try Files.read(path, limit: 1 << 28)
        let settings = try SentencePieceSettings(config)
        do {
            try self.init(SentencePieceModel(bytes), settings, roles: roles)
        } catch {
            // A message about a file beside the model names it.
            throw error.message.contains(".json: ") ? error : DamaError(error.code, "\(path): \(error.message)")
        }
    }

    convenience init(
        _ file: SentencePieceModel, _ settings: SentencePieceSettings, roles: TokenizerConfiguration
    ) throws(DamaError) {
        let family = settings.family ?? (file.kind == .bpe ? .llama : .t5)
        var text = SentencePieceText()
        text.characterMap = file.characterMap
        text.addsDummyPrefix = file.addsDummyPrefix && (family != .llama || settings.addsPrefixSpace)
        text.putsSpaceAfterWords = file.putsSpaceAfterWords
        text.removesExtraSpaces = file.removesExtraSpaces
        text.addsPrefixToEveryPart = settings.isLegacy ?? (family != .llama)
        if !file.escapesSpaces { text.space = [0x20] }

        var model = try file.subwords()
        if family == .siglip {
            text.addsPrefixToEveryPart = true
            text.canonical = SiglipText(
                lowercases: settings.lowercases,
                unknownToken: roles.roleTexts["unk_token"] ?? file.pieces[Int(file.unknownID)].text)
            var own: [Int32] = []
            for word in text.apply(to: Piece([], startsText: false)) { try model.encode(word.scalars, into: &own) }
            model = LeadingTokensDropped(base: model, count: own.count)
        }

        var tokens = file.addedTokens(family, extraIDs: settings.extraIDs)
        let changes = try roles.addTokens(to: &tokens, vocabulary: file.vocabulary, of: "the SentencePiece model")
        let added = try AddedTokens(tokens, normalizer: nil)
        let find = { (token: String) -> Int32? in added.table.id(of: token) ?? file.vocabulary.id(of: token) }
        var special = roles.resolve(unknown: file.unknownID, id: find)
        special.bos = special.bos ?? (family == .siglip ? nil : file.bos.flatMap(find))
        special.eos = special.eos ?? file.eos.flatMap(find)
        special.pad = special.pad ?? (family == .siglip ? special.eos : file.pad.flatMap(find))

        // Chat templates take the texts of roles, of which the model's own stand in no other file.
        var roleTexts = roles.roleTexts
        let spelling = { (id: Int32) -> String? in added.table.token(of: id) ?? file.vocabulary.token(of: id) }
        for (name, id) in [("bos_token", special.bos), ("eos_token", special.eos), ("pad_token", special.pad)]
        where roleTexts[name] == nil { roleTexts[name] = id.flatMap(spelling) }

        var postProcessor = PostProcessor()
        if family == .llama {
            if settings.addsBOS, let bos = special.bos { postProcessor.prefix = [bos] }
            if settings.addsEOS, let eos = special.eos { postProcessor.suffix = [eos] }
        } else if let eos = special.eos {
            postProcessor.suffix = [eos]
            postProcessor.repeatsSuffix = family != .siglip
        }
        self.init(
            normalizer: nil, preTokenizer: .sentencePiece(text), model: model, postProcessor: postProcessor,
            decoder: file.decoder(stripsSpace: text.addsDummyPrefix), added: added, specialTokens: special,
            roleTexts: roleTexts, tokensBesideFile: changes.map(\.key) + settings.facts)
    }
}

extension SentencePieceModel {
    /// Control pieces are found in text and are special; user-defined ones are found and are not. T5 has sentinels
    /// after the pieces, in descending order.
    func addedTokens(_ family: SentencePieceSettings.Family, extraIDs: Int) -> [AddedTokens.Token] {
        var tokens: [AddedTokens.Token] = []
        for (id, piece) in pieces.enumerated() {
            let isRole = piece.type == .unknown || piece.text == eos
            switch piece.type {
            case .unknown, .control, .userDefined:
                // SigLIP's finds only its unknown and end token, and removes the spaces around them.
                if family == .siglip, !isRole { continue }
                tokens.append(
                    AddedTokens.Token(
                        content: piece.text, id: Int32(id), stripsLeft: family == .siglip,
                        stripsRight: family == .siglip, isSpecial: piece.type != .userDefined))
            default: break
            }
        }
        guard family == .t5 else { return tokens }
        for index in 0..<extraIDs {
            let content = "<extra_id_\(extraIDs - 1 - index)>"
            if vocabulary.id(of: content) != nil { continue }
            tokens.append(
                AddedTokens.Token(content: content, id: Int32(pieces.count + index), isSpecial: true))
        }
        return tokens
    }

    func decoder(stripsSpace: Bool) -> TokenDecoder {
        var steps: [TokenDecoder] = escapesSpaces ? [.replace(["▁"], with: [" "])] : []
        if fallsBackToBytes { steps.append(.byteFallback) }
        steps.append(.fuse)
        if stripsSpace {
            steps.append(.strip(" ", start: putsSpaceAfterWords ? 0 : 1, stop: putsSpaceAfterWords ? 1 : 0))
        }
        return .sequence(steps)
    }
}

/// The fields of tokenizer_config.json that say how transformers uses a SentencePiece model.
struct SentencePieceSettings {
    enum Family: String, CaseIterable {
        case llama = "LlamaTokenizer"
        case t5 = "T5Tokenizer"
        case siglip = "SiglipTokenizer"
    }

    /// `nil`: the model's kind decides.
    var family: Family?
    /// The dummy prefix stands before each part between added tokens, not only at the start of a text.
    var isLegacy: Bool?
    var addsPrefixSpace = true
    var addsBOS = true
    var addsEOS = false
    var lowercases = true
    /// The number of T5's sentinel tokens.
    var extraIDs = 100

    init(_ config: JSON?) throws(DamaError) {
        guard let config else { return }
        let root = JSONField(config, "tokenizer_config.json: ")
        if let field = root["tokenizer_class"] {
            let name = try field.string()
            let known = name.hasSuffix("Fast") ? String(name.dropLast(4)) : name
            family = Family(rawValue: known)
            guard family != nil || name.hasPrefix("PreTrainedTokenizer") else {
                throw .unsupported(
                    "\(field.path): \(quoted(name)) is not supported with a SentencePiece model; supported are "
                        + Family.allCases.map(\.rawValue).joined(separator: ", ")
                        + ". Save the tokenizer as tokenizer.json (transformers: save_pretrained)")
            }
        }
        isLegacy = try root["legacy"]?.bool()
        addsPrefixSpace = try root.bool("add_prefix_space", default: true)
        addsBOS = try root.bool("add_bos_token", default: true)
        addsEOS = try root.bool("add_eos_token", default: false)
        lowercases = try root.bool("do_lower_case", default: true)
        guard let field = root["extra_ids"] else { return }
        extraIDs = try field.int()
        guard extraIDs >= 0, extraIDs <= 10_000 else {
            throw .model("\(field.path): \(extraIDs) is out of range; expected 0 to 10000")
        }
    }

    /// What encoding depends on besides the model's file.
    var facts: [String] {
        [
            "class \(family?.rawValue ?? "-")", "legacy \(isLegacy.map(String.init) ?? "-")",
            "add_prefix_space \(addsPrefixSpace)", "add_bos_token \(addsBOS)", "add_eos_token \(addsEOS)",
            "do_lower_case \(lowercases)", "extra_ids \(extraIDs)",
        ]
    }
}
