import DamaPattern
import DamaSupport

/// Converts text to token ids and back, as Hugging Face's `tokenizers` does with the same tokenizer.json, or
/// SentencePiece with the same tokenizer.model.
///
/// The pipeline is: added tokens → normaliser → pre-tokeniser → byte-pair encoding or unigram model → special tokens
/// around the text. The decoder reverses it. Truncation and padding settings of the file are not applied: no text is
/// lost silently.
///
/// A tokenizer is immutable; all methods may be called from any thread.
public final class Tokenizer: Sendable {
    let normalizer: Normalizer?
    let preTokenizer: PreTokenizer?
    let model: any SubwordModel
    let postProcessor: PostProcessor
    let decoder: TokenDecoder?
    let added: AddedTokens

    /// The number of tokens, added ones included.
    public let vocabularySize: Int
    /// The largest id plus one: the smallest possible size of an embedding table. A token that the configuration names
    /// but to which it gives no id (a `pad_token` that was never trained, say) does not count.
    public let idEnd: Int
    /// Ids of the tokens with a role, if the directory's configuration names them.
    public let specialTokens: SpecialTokens
    /// The text of each token with a role, by the role's name in the configuration, such as `eos_token`.
    package let roleTexts: [String: String]
    /// Tokens that the file itself does not contain, or defines differently. With the file, this determines encoding.
    package let tokensBesideFile: [String]

    /// Ids of the tokens that have a role.
    public struct SpecialTokens: Equatable, Sendable {
        /// Beginning of a sequence ("<s>", "<|startoftext|>").
        public var bos: Int32?
        /// End of a sequence ("</s>", "<|endoftext|>").
        public var eos: Int32?
        /// Padding.
        public var pad: Int32?
        /// The unknown token.
        public var unk: Int32?

        public init(bos: Int32? = nil, eos: Int32? = nil, pad: Int32? = nil, unk: Int32? = nil) {
            self.bos = bos
            self.eos = eos
            self.pad = pad
            self.unk = unk
        }
    }

    init(
        normalizer: Normalizer?, preTokenizer: PreTokenizer?, model: any SubwordModel, postProcessor: PostProcessor,
        decoder: TokenDecoder?, added: AddedTokens, specialTokens: SpecialTokens, roleTexts: [String: String] = [:],
        tokensBesideFile: [String] = []
    ) {
        self.roleTexts = roleTexts
        self.tokensBesideFile = tokensBesideFile
        self.normalizer = normalizer
        self.preTokenizer = preTokenizer
        self.model = model
        self.postProcessor = postProcessor
        self.decoder = decoder
        self.added = added
        self.specialTokens = specialTokens
        idEnd = max(model.vocabulary.idEnd, added.idEnd)
        vocabularySize = model.vocabulary.count + added.table.allIDs.count { !model.vocabulary.contains(id: $0) }
    }

    // MARK: - Encoding

    /// The token ids of `text`.
    ///
    /// - Parameter addSpecialTokens: Whether to add the special tokens around a text. Special tokens inside the text
    ///   are recognised in either case.
    /// - Throws: ``DamaError/Code/model`` if the file's patterns take more steps on this text than any real
    ///   tokenizer's, or if no token covers a character and there is no unknown token.
    public func encode(_ text: String, addSpecialTokens: Bool = true) throws(DamaError) -> [Int32] {
        var ids = addSpecialTokens ? postProcessor.prefix : []
        let scalars = Array(scalarsOf: text)
        var budget = StepBudget(characters: scalars.count)
        for segment in added.splitRaw(scalars) {
            switch segment {
            case .token(let id): ids.append(id)
            case .text(let piece): try encode(piece, into: &ids, budget: &budget)
            }
        }
        if addSpecialTokens { postProcessor.finish(&ids) }
        return ids
    }

    /// The token ids of UTF-8 bytes. Invalid UTF-8 is replaced by U+FFFD, as with Python's `errors="replace"`.
    public func encode(
        bytes: some Collection<UInt8>, addSpecialTokens: Bool = true
    ) throws(DamaError) -> [Int32] {
        try encode(String(decoding: bytes, as: UTF8.self), addSpecialTokens: addSpecialTokens)
    }

    private func encode(_ piece: Piece, into ids: inout [Int32], budget: inout StepBudget) throws(DamaError) {
        var piece = piece
        if let normalizer {
            var scalars = Array(piece.scalars)
            if try normalizer.apply(to: &scalars, budget: &budget) { piece.startsText = false }
            piece.scalars = scalars[...]
        }
        for segment in added.splitNormalized(piece) {
            switch segment {
            case .token(let id): ids.append(id)
            case .text(let text):
                var words = [text]
                if let preTokenizer { words = try preTokenizer.apply(to: words, budget: &budget) }
                for word in words { try model.encode(word.scalars, into: &ids) }
            }
        }
    }

    // MARK: - Decoding

    /// The text of `ids`. Unknown ids are omitted.
    ///
    /// - Parameter skipSpecialTokens: Whether to omit special tokens as well.
    public func decode(_ ids: some Sequence<Int32>, skipSpecialTokens: Bool = true) -> String {
        var tokens: [String] = []
        for id in ids where !(skipSpecialTokens && isSpecial(id)) {
            if let token = added.normalizedContents[id] ?? token(of: id) { tokens.append(token) }
        }
        guard let decoder else { return tokens.joined(separator: " ") }
        return decoder.apply(to: tokens).joined()
    }

    // MARK: - Vocabulary

    /// The id of a token in the vocabulary's spelling ("cat</w>", "▁the", "Ġand"); `nil` if there is none.
    public func id(of token: String) -> Int32? { added.table.id(of: token) ?? model.vocabulary.id(of: token) }

    /// The spelling of the token with this id; `nil` if there is none.
    public func token(of id: Int32) -> String? { added.table.token(of: id) ?? model.vocabulary.token(of: id) }

    /// True for the tokens that decoding without special tokens omits.
    public func isSpecial(_ id: Int32) -> Bool { added.specialIDs.contains(id) }

    /// The special tokens that ``encode(_:addSpecialTokens:)`` adds before and after a text.
    public var surroundingTokens: (before: [Int32], after: [Int32]) { (postProcessor.prefix, postProcessor.suffix) }
}
