import DamaSupport
import DamaWords

/// Object HalBench (Yu et al. 2024, RLHF-V): descriptions of 300 images of COCO, and the objects in them that the
/// images do not have.
///
/// The variant `plain` is `eval/eval_gpt_obj_halbench.py` of RLAIF-V 83d917b without `--use_gpt`. The variant `llm` is
/// the script with it: a language model lists an answer's objects, and NLTK's tagger takes the place of spaCy's
/// `en_core_web_trf` in reading the list. Lists that the script has read (``ReadyObjects``) give its numbers exactly.
package struct ObjectHalBench: Benchmark {
    package static let name = "object-halbench"
    package static let variants = ["plain", "llm"]
    package static var passName: String? { "without hallucination" }
    package static let inputs: [DataInput] = [
        QuestionFile.input, QuestionFile.imageInput,
        DataInput(
            ObjectReader.cocoName, "the objects and captions of the questions' images",
            from: [QuestionFile.download] + CocoDownloads.all
        ) { (found, path) throws(DamaError) in
            var wanted: Set<Int> = []
            try QuestionFile.forEach(found[QuestionFile.download.name] ?? "") { question, _ in
                wanted.insert(question.id)
            }
            try CocoFile.write(try CocoDownloads.images(found, wanted: wanted), to: path)
        },
        ObjectReader.synonyms, .words(isOptional: false), ObjectExtractor.promptInput,
    ]

    package let questions: [BenchmarkQuestion]
    private let reader: ObjectReader
    /// The position of each question's image in the annotations.
    private let images: [Int]
    private let index: QuestionIndex
    private let folder: DataFolder
    /// `nil` in the plain variant.
    private let extractor: ObjectExtractor?

    package init(_ folder: DataFolder, _ settings: BenchmarkSettings) throws(DamaError) {
        reader = try ObjectReader(folder)
        let positions = Dictionary(
            reader.imageIDs.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        var (questions, images): ([BenchmarkQuestion], [Int]) = ([], [])
        for question in try QuestionFile.questions(folder) {
            guard let position = positions[question.id] else {
                throw .invalidArgument(
                    "\(folder.path) has no annotations of the image \(question.id); prepare questions and annotations "
                        + "together")
            }
            questions.append(BenchmarkQuestion(id: .int(Int64(question.id)), image: nil, text: question.text))
            images.append(position)
        }
        self.questions = questions
        self.images = images
        index = QuestionIndex(questions)
        self.folder = folder
        extractor = settings.variant == "llm" ? try ObjectExtractor(folder, settings, reader) : nil
        if extractor == nil, settings.judgeAnswers != nil {
            throw .invalidArgument("the variant plain has no judge; judge_answers needs the variant llm")
        }
    }

    package var identity: JSONObject {
        JSONObject([("words", reader.words.identity)] + (extractor?.identity.members ?? []))
    }

    package var needsJudge: Bool { extractor?.needsJudge ?? false }

    /// The images are read one at a time: they are in the questions' file.
    package func forEachQuestion(_ body: (BenchmarkQuestion) throws(DamaError) -> Void) throws(DamaError) {
        guard folder.has(QuestionFile.imageName) else {
            throw .invalidArgument("\(folder.path) has no \(QuestionFile.imageName), which holds the images")
        }
        try QuestionFile.forEach(try folder.file(QuestionFile.imageName), withImages: true) {
            question, image throws(DamaError) in
            try body(BenchmarkQuestion(id: .int(Int64(question.id)), image: image, text: question.text))
        }
    }

    package func rows(of object: JSONObject) -> [JSON]? { ObjectAnswer.rows(of: object) }

    package func answer(in row: JSON, at position: Int) throws(BadAnswer) -> BenchmarkAnswer {
        let text = try ObjectAnswer.text(row)
        if let id = try ObjectAnswer.image(row, ["image_id", "id", "idx"]) {
            return BenchmarkAnswer(question: try index.position(of: id), text: text, row: row)
        }
        // Older answer files of the script have no image: their order is that of the questions.
        guard questions.indices.contains(position) else {
            throw BadAnswer(
                .unknownQuestion,
                "the row names no image_id, and row \(position) is beyond the benchmark's \(questions.count) questions")
        }
        return BenchmarkAnswer(question: position, text: text, row: row)
    }

    package func score(
        _ answer: BenchmarkAnswer, run: Int, judge: (any Judge)?, stop: StopSignal
    ) throws(DamaError) -> AnswerScore {
        let (text, image) = (answer.text.pythonStripped, images[answer.question])
        guard let extractor else {
            return try reader.score(reader.mentions(in: answer.text), of: text, image: image)
        }
        let question = (answer.row["prompt"] ?? answer.row["question"])?.string ?? questions[answer.question].text
        let extraction = try extractor.objects(
            in: answer.text, to: question, image: reader.imageIDs[image], run: run, judge: judge, stop: stop)
        guard let objects = extraction.objects else {
            return AnswerScore(pass: nil, counts: ["failed": 1], evidence: JSONObject(extraction.evidence))
        }
        var score = try reader.score(reader.vocabulary.mentions(in: objects), of: text, image: image)
        score.evidence = JSONObject(
            score.evidence.members + [("objects", .array(objects.map { .string($0) }))] + extraction.evidence)
        return score
    }

    package func metrics(_ counts: Counts) -> [Metric] {
        ObjectMetrics.all(counts) + (extractor == nil ? [] : [Metric("failed", counts["failed"])])
    }
}
