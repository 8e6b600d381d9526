import DamaSupport

/// Makes the word data that ``WordData`` opens, from the user's copies of NLTK's and WordNet's files. Nothing is
/// downloaded, and no Python runs.
public enum WordDataBuilder {
    /// What was written.
    public struct Summary: Sendable {
        public let path: String
        public let byteCount: Int
        /// The SHA-256 of the written file, in hexadecimal.
        public let sha256: String
        /// The files that the data comes from, each with its SHA-256 and the path that it was read from.
        public let sources: [(name: String, sha256: String, path: String)]
    }

    /// Makes a word-data file.
    ///
    /// - Parameter paths: Zip archives, folders (searched four levels deep) and single files with, in any order: NLTK's
    ///   tagger (the pickle of `averaged_perceptron_tagger.zip` or the JSON files of
    ///   `averaged_perceptron_tagger_eng.zip`; the JSON files are taken if both are there), Punkt's English tables
    ///   (`punkt_tab.zip`), WordNet's nouns (`index.noun` and `noun.exc`).
    /// - Throws: ``DamaError/Code/invalidArgument`` if one of these is missing, or there twice with different contents;
    ///   the message says where each is to be had. ``DamaError/Code/model`` for damaged files. ``DamaError/Code/io`` if
    ///   a file cannot be read or written.
    @discardableResult
    public static func write(from paths: [String], to path: String) throws(DamaError) -> Summary {
        let (bytes, used) = try encoded(WordSources(paths))
        try Files.writeAtomically(bytes, to: path)
        return Summary(
            path: path, byteCount: bytes.count, sha256: SHA256.hex(of: bytes),
            sources: used.map { ($0.name, $0.sha256, $0.place) })
    }

    private static func encoded(
        _ sources: WordSources
    ) throws(DamaError) -> (bytes: [UInt8], used: [WordSources.Found]) {
        let json = WordSources.json.compactMap { sources.found[$0] }
        let tagger = json.count == WordSources.json.count ? json : sources.found[WordSources.pickle].map { [$0] } ?? []
        let punkt = PunktTables.names.compactMap { sources.found[$0] }
        let wordNet = ["index.noun", "noun.exc"].compactMap { sources.found[$0] }
        try requireAll(tagger: tagger, punkt: punkt, wordNet: wordNet)
        let model = try named(tagger[0]) { () throws(DamaError) in
            guard tagger.count == 3 else { return try TaggerModel(pickle: tagger[0].bytes) }
            return try TaggerModel(
                weights: JSON(parsing: tagger[0].bytes), dictionary: JSON(parsing: tagger[1].bytes),
                tags: JSON(parsing: tagger[2].bytes))
        }
        let tables = try named(punkt[0]) { () throws(DamaError) in
            try PunktTables { name throws(DamaError) in sources.found[name]?.bytes ?? [] }
        }
        let nouns = try named(wordNet[0]) { () throws(DamaError) in
            try WordNetNouns(index: wordNet[0].bytes, exceptions: wordNet[1].bytes)
        }
        var sections = try model.sections()
        for part in [try tables.sections(), try nouns.sections()] { sections.merge(part) { _, new in new } }
        let used = tagger + punkt + wordNet
        // The paths are the user's and left out: the same files give the same bytes.
        let identity = JSON.object(
            JSONObject([
                ("files", .object(JSONObject(used.map { ($0.name, .string($0.sha256)) }))),
                ("wordnet", nouns.version.map(JSON.string) ?? .null),
            ]))
        sections[.identity] = Array(identity.text.utf8)
        return (WordFile.encoded(sections), used)
    }

    private static func named<Result>(
        _ file: WordSources.Found, _ body: () throws(DamaError) -> Result
    ) throws(DamaError) -> Result {
        do throws(DamaError) {
            return try body()
        } catch {
            throw DamaError(error.code, "\(file.place): \(error.message)")
        }
    }

    /// - Throws: An error that lists what is missing and where it is to be had.
    private static func requireAll(
        tagger: [WordSources.Found], punkt: [WordSources.Found], wordNet: [WordSources.Found]
    ) throws(DamaError) {
        let packages = "https://github.com/nltk/nltk_data/tree/gh-pages/packages"
        var missing: [String] = []
        if tagger.isEmpty {
            missing.append(
                "NLTK's tagger, \(packages)/taggers/averaged_perceptron_tagger.zip (SHA-256 "
                    + "e1f13cf2532daadfd6f3bc481a49859f0b8ea6432ccdcd83e6a49a5f19008de9) or "
                    + "averaged_perceptron_tagger_eng.zip")
        }
        if punkt.count < PunktTables.names.count {
            missing.append("Punkt's English tables, \(packages)/tokenizers/punkt_tab.zip")
        }
        if wordNet.count < 2 {
            missing.append(
                "WordNet 3.0's index.noun and noun.exc, \(packages)/corpora/wordnet.zip or Debian's wordnet-base")
        }
        guard missing.isEmpty else { throw .invalidArgument("missing: \(missing.joined(separator: "; "))") }
    }
}
