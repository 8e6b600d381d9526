import DamaSupport
import DamaWords

extension DataInput {
    /// The data of ``WordData``, for benchmarks that look for nouns.
    static func words(isOptional: Bool) -> DataInput {
        let packages = "https://github.com/nltk/nltk_data/tree/gh-pages/packages"
        let downloads = [
            Download(
                "averaged_perceptron_tagger*.zip",
                versions: [("of NLTK", "e1f13cf2532daadfd6f3bc481a49859f0b8ea6432ccdcd83e6a49a5f19008de9")],
                address: "\(packages)/taggers", isOptional: true, acceptsOthers: true),
            Download("punkt_tab.zip", address: "\(packages)/tokenizers", isOptional: true),
            Download(
                "wordnet.zip", address: "\(packages)/corpora", isOptional: true),
            Download(
                "index.noun", address: "wordnet.zip or Debian's wordnet-base; will do with noun.exc", isOptional: true),
            Download("noun.exc", address: "the same place", isOptional: true),
            Download(
                "nltk_data", address: "nltk.download(): the folder, instead of the zip files", isOptional: true,
                isFolder: true),
        ]
        return DataInput(
            DataFolder.words, "parts of speech and lemmas of nouns; made of a tagger, Punkt and WordNet",
            from: downloads, isOptional: isOptional
        ) { (found, path) throws(DamaError) in
            try WordDataBuilder.write(from: downloads.compactMap { found[$0.name] }, to: path)
        }
    }
}

extension DataFolder {
    static let words = "words.bin"

    /// - Throws: What ``file(_:)`` and ``WordData/init(path:rules:)`` throw.
    func wordData() throws(DamaError) -> WordData { try WordData(path: try file(Self.words)) }
}

extension WordData {
    /// The lemmas of the words of a text that are tagged as nouns, in its order; proper nouns are among them.
    @Sendable func nounLemmas(of text: String) -> [String] {
        let tokens = tokens(text)
        return zip(tokens, tags(tokens)).filter { $0.1.utf8.starts(with: "NN".utf8) }.map { nounLemma($0.0) }
    }
}
