import DamaSupport

/// English sentences, words, parts of speech and noun lemmas, as NLTK finds them.
///
/// ```swift
/// let words = try WordData(path: "dama-words")
/// let tokens = words.tokens("Two dogs play with a red ball.")
/// let nouns = zip(tokens, words.tags(tokens)).filter { $0.1.hasPrefix("NN") }.map { words.nounLemma($0.0) }
/// // ["dog", "ball"]
/// ```
///
/// The data is not part of the library: ``WordDataBuilder`` makes the file from the user's copies of NLTK's and
/// WordNet's files. All functions compare text by code points, as Python does.
public struct WordData: @unchecked Sendable {
    /// The version of NLTK whose rules hold.
    public let rules: WordRules
    /// The files that the data comes from, each with its SHA-256, and the rules.
    package let identity: JSON
    private let sentenceTokenizer: SentenceTokenizer
    private let wordTokenizer: WordTokenizer
    private let tagger: Tagger
    private let nouns: NounLemmas
    /// Keeps the memory that all tables lie in, which nothing writes.
    private let owner: MappedFile?

    /// Opens a word-data file, which is mapped into memory.
    ///
    /// - Throws: ``DamaError/Code/io`` if the file cannot be read; ``DamaError/Code/model`` if it is no word data, or
    ///   damaged; ``DamaError/Code/unsupported`` for another version. The message names the file.
    public init(path: String, rules: WordRules = .nltk3_9) throws(DamaError) {
        let file = try MappedFile(path: path)
        do throws(DamaError) {
            try self.init(file.bytes, owner: file, rules: rules)
        } catch {
            throw DamaError(error.code, "\(path): \(error.message)")
        }
    }

    /// - Parameter bytes: A word-data file, which must outlive this value unless `owner` keeps it.
    package init(
        _ bytes: UnsafeRawBufferPointer, owner: MappedFile? = nil, rules: WordRules = .nltk3_9
    ) throws(DamaError) {
        let file = try WordFile(bytes)
        self.owner = owner
        self.rules = rules
        guard case .object(let sources) = try JSON(parsing: Array(file[.identity])) else {
            throw .model("the word data does not name its sources")
        }
        identity = .object(JSONObject(sources.members + [(key: "rules", value: .string("NLTK \(rules.rawValue)"))]))
        sentenceTokenizer = SentenceTokenizer(
            parameters: PunktParameters(
                abbreviations: try file.table(.abbreviations), collocations: try file.table(.collocations),
                starters: try file.table(.starters), contexts: try file.table(.contexts)), rules: rules)
        wordTokenizer = WordTokenizer(rules: rules)
        tagger = try Tagger(file)
        nouns = try NounLemmas(file, rules)
    }

    /// The sentences of a text: `nltk.sent_tokenize(text)`.
    public func sentences(_ text: String) -> [String] {
        sentenceTokenizer.sentences(Scalars(text.unicodeScalars)).map(\.string)
    }

    /// The words of a text, sentence by sentence: `nltk.word_tokenize(text)`. Double quotes become two backticks or two
    /// apostrophes.
    public func tokens(_ text: String) -> [String] {
        sentenceTokenizer.sentences(Scalars(text.unicodeScalars)).flatMap { wordTokenizer.tokens($0).map(\.string) }
    }

    /// The part of speech of each token, as the Penn Treebank names it: `nltk.pos_tag(tokens)`.
    public func tags(_ tokens: [String]) -> [String] {
        tagger.tag(tokens.map { Array($0.utf8) }).map { tagger.tags[$0] }
    }

    /// The lemma of a noun, or the word itself if WordNet knows none: `WordNetLemmatizer().lemmatize(word)`.
    ///
    /// Nothing is made lower-case, and the shortest candidate wins, the first of equals: "Dogs" stays, "glasses"
    /// becomes "glass", and "men", a noun too and as long as "man", stays.
    public func nounLemma(_ word: String) -> String {
        String(decoding: nouns.lemma(Array(word.utf8)), as: UTF8.self)
    }

    /// Whether WordNet has the noun. Its nouns are lower-case, with low lines between words.
    public func isNoun(_ word: String) -> Bool { nouns.contains(Array(word.utf8)) }
}
