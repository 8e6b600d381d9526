import DamaSupport
import DamaWords

/// Finds the objects that texts name, and those that images show. Safe from several threads at once.
///
/// Source: the class CHAIR of `eval/eval_gpt_obj_halbench.py` of RLAIF-V 83d917b.
struct ObjectReader: Sendable {
    let vocabulary: ObjectVocabulary
    let words: WordData
    private let coco: CocoFile

    static let synonymsName = "synonyms_refine.txt"
    static let cocoName = "coco.jsonl"

    static let synonyms = DataInput(
        synonymsName, "the objects and their synonyms",
        from: [
            Download(
                synonymsName,
                versions: [
                    ("RLAIF-V 83d917b", "681041d2958d7871ed6fa69c3108f34aa6a0a354eb53ed4c5a425e65f86bc72a")
                ], address: "https://github.com/RLHF-V/RLAIF-V/tree/main/eval/data")
        ])

    init(_ folder: DataFolder) throws(DamaError) {
        vocabulary = try ObjectVocabulary(try folder.text(Self.synonymsName))
        words = try folder.wordData()
        coco = try CocoFile(path: try folder.file(Self.cocoName))
    }

    init(vocabulary: ObjectVocabulary, words: WordData, coco: CocoFile) {
        (self.vocabulary, self.words, self.coco) = (vocabulary, words, coco)
    }

    /// The images whose objects are known, ascending.
    var imageIDs: [Int] { coco.ids }

    func imageFile(_ position: Int) throws(DamaError) -> String? { try coco.image(at: position).file }

    /// The lower-case words of a text as noun lemmas, with pairs joined.
    func words(of text: String) -> [String] {
        vocabulary.joined(words.tokens(text.pythonLowered).map { words.nounLemma($0) })
    }

    /// The objects that a text names.
    func mentions(in text: String) -> [ObjectVocabulary.Mention] { vocabulary.mentions(in: words(of: text)) }

    /// The classes of what an image's annotations and captions name.
    ///
    /// - Parameter position: The image's position in ``imageIDs``.
    func truth(_ position: Int) throws(DamaError) -> Set<ExactText> {
        let image = try coco.image(at: position)
        var truth: Set<ExactText> = []
        for category in image.categories {
            guard let object = vocabulary.object(category) else {
                throw .invalidArgument("COCO's category \(quoted(category)) is not in the table of synonyms")
            }
            truth.insert(ExactText(object))
        }
        for caption in image.captions { truth.formUnion(mentions(in: caption).map { ExactText($0.object) }) }
        return truth
    }

    /// The score of a text that names these objects.
    ///
    /// - Parameter text: Without white space at its ends.
    func score(
        _ mentions: [ObjectVocabulary.Mention], of text: String, image: Int
    ) throws(DamaError) -> AnswerScore {
        ObjectScore(
            mentions: mentions, truth: try truth(image),
            wordCount: text.utf8.reduce(1) { $1 == UInt8(ascii: " ") ? $0 + 1 : $0 }
        ).answerScore
    }
}
