import DamaPattern
import DamaSupport

extension Tokenizer {
    /// CLIP's tokenizer from its vocab.json and merges.txt.
    ///
    /// The files contain only byte-pair encoding. The other steps (NFC, white space, lower case, splitting,
    /// "<|startoftext|>" and "<|endoftext|>") are fixed for CLIP.
    ///
    /// - Throws: ``DamaError/Code/model`` naming the file and what is wrong in it.
    public convenience init(vocabulary: String, merges: String) throws(DamaError) {
        let json = try Files.readJSON(vocabulary)
        let table: TokenTable
        do {
            table = try TokenTable(JSONField(json, "vocab"))
        } catch {
            throw DamaError(error.code, "\(vocabulary): \(error.message)")
        }
        let pairs = try Self.readMerges(merges)
        do {
            try self.init(clip: table, merges: pairs)
        } catch {
            throw DamaError(error.code, "\(vocabulary), \(merges): \(error.message)")
        }
    }

    private static func readMerges(_ path: String) throws(DamaError) -> [(left: String, right: String)] {
        guard let text = String(validating: try Files.read(path), as: UTF8.self) else {
            throw .model("\(path) is not valid UTF-8")
        }
        var merges: [(left: String, right: String)] = []
        for (number, line) in text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            var line = Substring(line)
            if line.utf8.last == 0x0D { line = Substring(line.utf8.dropLast()) }
            if line.isEmpty || line.hasPrefix("#version") { continue }
            guard let pair = BytePairEncoding.pair(line) else {
                throw .model(
                    "\(path), line \(number + 1): expected two tokens and a space, found \(quoted(String(line)))")
            }
            merges.append(pair)
        }
        return merges
    }

    convenience init(clip vocabulary: TokenTable, merges: [(left: String, right: String)]) throws(DamaError) {
        let start = "<|startoftext|>"
        let end = "<|endoftext|>"
        guard let startID = vocabulary.id(of: start), let endID = vocabulary.id(of: end) else {
            throw .model("the vocabulary lacks \"\(start)\" or \"\(end)\", which a CLIP tokenizer must have")
        }
        var options = BytePairEncoding.Options()
        options.unknownToken = end
        options.endOfWordSuffix = "</w>"
        let normalizer = Normalizer.sequence([
            .composed, .replace(.expression(Pattern(known: #"\s+"#)), with: [" "]), .lowercase,
        ])
        var postProcessor = PostProcessor()
        postProcessor.prefix = [startID]
        postProcessor.suffix = [endID]
        self.init(
            normalizer: normalizer,
            preTokenizer: .sequence([
                .split(.expression(Self.clipPattern), .removed, isInverted: true),
                .byteLevel(addsPrefixSpace: false, splits: true),
            ]),
            model: try BytePairEncoding(vocabulary: vocabulary, merges: merges, options: options),
            postProcessor: postProcessor,
            decoder: .byteLevel,
            added: try AddedTokens(
                [
                    AddedTokens.Token(content: start, id: startID, isSpecial: true),
                    AddedTokens.Token(content: end, id: endID, isSpecial: true),
                ], normalizer: normalizer),
            specialTokens: SpecialTokens(bos: startID, eos: endID, pad: endID, unk: endID))
    }

    private static let clipPattern = Pattern(
        known: #"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"#)
}
