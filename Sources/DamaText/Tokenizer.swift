import DamaPattern
import DamaSupport

/// Text to token ids and back, as Hugging Face's `tokenizers` does it from the same tokenizer.json.
///
/// The pipeline is: added tokens → normaliser → pre-tokeniser → byte-pair encoding → special tokens around; and the
/// decoder on the way back. Truncation and padding that the file may ask for are not applied: nothing is cut in
/// silence.
///
/// A tokenizer is immutable; all methods may be called from any thread.
public final class Tokenizer: Sendable {
    let normalizer: Normalizer?
    let preTokenizer: PreTokenizer?
    let model: BytePairEncoding
    let postProcessor: PostProcessor
    let decoder: TokenDecoder?
    let added: AddedTokens

    /// The number of tokens, added ones included.
    public let vocabularySize: Int
    /// The largest id plus one: what an embedding table must have at least. A token that the configuration names but
    /// gives no id (a `pad_token` that was never trained, say) does not count.
    public let idEnd: Int
    /// Ids of the tokens with a role, where the directory's configuration names them.
    public let specialTokens: SpecialTokens
    /// Tokens that the file itself does not have, or has otherwise: with it, all that encoding depends on.
    package let tokensBesideFile: [String]

    /// Ids of the tokens that have a role.
    public struct SpecialTokens: Equatable, Sendable {
        /// Beginning of a sequence ("<s>", "<|startoftext|>").
        public var bos: Int32?
        /// End of a sequence ("</s>", "<|endoftext|>").
        public var eos: Int32?
        /// Padding.
        public var pad: Int32?
        /// What stands for the unknown.
        public var unk: Int32?

        public init(bos: Int32? = nil, eos: Int32? = nil, pad: Int32? = nil, unk: Int32? = nil) {
            self.bos = bos
            self.eos = eos
            self.pad = pad
            self.unk = unk
        }
    }

    init(
        normalizer: Normalizer?, preTokenizer: PreTokenizer?, model: BytePairEncoding, postProcessor: PostProcessor,
        decoder: TokenDecoder?, added: AddedTokens, specialTokens: SpecialTokens,
        tokensBesideFile: [String] = []
    ) {
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
    /// - Parameter addSpecialTokens: Whether the special tokens that belong around a text are added. Special tokens
    ///   that stand in the text itself are recognised in either case.
    /// - Throws: ``DamaError/Code/model`` where the file's patterns take more steps than any real tokenizer's on
    ///   this text (``StepBudget``).
    public func encode(_ text: String, addSpecialTokens: Bool = true) throws(DamaError) -> [Int32] {
        var ids = addSpecialTokens ? postProcessor.prefix : []
        let scalars = Array(text.unicodeScalars)
        var budget = StepBudget(characters: scalars.count)
        for segment in added.splitRaw(scalars) {
            switch segment {
            case .token(let id): ids.append(id)
            case .text(let piece): try encode(piece, into: &ids, budget: &budget)
            }
        }
        if addSpecialTokens { ids += postProcessor.suffix }
        return ids
    }

    /// The token ids of UTF-8 bytes. Broken UTF-8 is repaired with U+FFFD, as Python's `errors="replace"` does.
    public func encode(
        bytes: some Collection<UInt8>, addSpecialTokens: Bool = true
    ) throws(DamaError) -> [Int32] {
        try encode(String(decoding: bytes, as: UTF8.self), addSpecialTokens: addSpecialTokens)
    }

    private func encode(_ piece: Piece, into ids: inout [Int32], budget: inout StepBudget) throws(DamaError) {
        var piece = piece
        if let normalizer {
            var scalars = Array(piece.scalars)
            try normalizer.apply(to: &scalars, budget: &budget)
            piece.scalars = scalars[...]
        }
        for segment in added.splitNormalized(piece) {
            switch segment {
            case .token(let id): ids.append(id)
            case .text(let text):
                var words = [text]
                if let preTokenizer { words = try preTokenizer.apply(to: words, budget: &budget) }
                for word in words { model.encode(word.scalars, into: &ids) }
            }
        }
    }

    // MARK: - Decoding

    /// The text of `ids`. Ids that are in no vocabulary are left out.
    ///
    /// - Parameter skipSpecialTokens: Whether special tokens are left out as well.
    public func decode(_ ids: some Sequence<Int32>, skipSpecialTokens: Bool = true) -> String {
        var tokens: [String] = []
        for id in ids where !(skipSpecialTokens && isSpecial(id)) {
            if let token = added.normalizedContents[id] ?? token(of: id) { tokens.append(token) }
        }
        guard let decoder else { return tokens.joined(separator: " ") }
        return decoder.apply(to: tokens).joined()
    }

    // MARK: - Vocabulary

    /// The id of a token as the vocabulary spells it ("cat</w>", "▁the", "Ġand"); `nil` where there is none.
    public func id(of token: String) -> Int32? { added.table.id(of: token) ?? model.vocabulary.id(of: token) }

    /// The spelling of the token with this id; `nil` where there is none.
    public func token(of id: Int32) -> String? { added.table.token(of: id) ?? model.vocabulary.token(of: id) }

    /// True for the tokens that decoding without special tokens leaves out.
    public func isSpecial(_ id: Int32) -> Bool { added.specialIDs.contains(id) }

    /// The special tokens that ``encode(_:addSpecialTokens:)`` puts before and after a text.
    public var surroundingTokens: (before: [Int32], after: [Int32]) { (postProcessor.prefix, postProcessor.suffix) }
}
