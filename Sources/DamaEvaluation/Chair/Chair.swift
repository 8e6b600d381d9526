import DamaSupport
import DamaWords

/// CHAIR (Rohrbach et al. 2018): the share of objects in captions of COCO's images that are not in the images.
///
/// Scored as RLAIF-V's script scores without a language model: noun lemmas of WordNet and the refined table of synonyms,
/// in place of pattern.en and the table of `utils/chair.py` of LisaAnne/Hallucination. Any images can be captioned:
/// those without a caption do not count.
package struct Chair: Benchmark {
    package static let name = "chair"
    package static var passName: String? { "without hallucination" }
    package static let inputs: [DataInput] = [
        DataInput(
            ObjectReader.cocoName, "the objects and captions of COCO's images",
            from: CocoDownloads.all + [
                Download(
                    idsName, address: "your own choice of images: their ids, one a line; without it all are taken",
                    isOptional: true)
            ]
        ) { (found, path) throws(DamaError) in
            let wanted: Set<Int>? = if let file = found[idsName] { try ids(file) } else { nil }
            try CocoFile.write(try CocoDownloads.images(found, wanted: wanted), to: path)
        },
        ObjectReader.synonyms, .words(isOptional: false),
    ]

    private static let idsName = "image_ids.txt"

    private static func ids(_ path: String) throws(DamaError) -> Set<Int> {
        var ids: Set<Int> = []
        for line in try Files.read(path).split(whereSeparator: { $0 <= 0x20 }) {
            let text = String(decoding: line, as: UTF8.self)
            guard let id = Int(text) else {
                throw .invalidArgument("\(path): \(quoted(text)) is not the id of an image")
            }
            ids.insert(id)
        }
        return ids
    }

    package let questions: [BenchmarkQuestion]
    private let reader: ObjectReader
    private let index: QuestionIndex

    package init(_ folder: DataFolder, _ settings: BenchmarkSettings) throws(DamaError) {
        reader = try ObjectReader(folder)
        var questions: [BenchmarkQuestion] = []
        questions.reserveCapacity(reader.imageIDs.count)
        for (position, id) in reader.imageIDs.enumerated() {
            let file = try reader.imageFile(position)
            questions.append(
                BenchmarkQuestion(
                    id: .int(Int64(id)), image: file.map { .string($0) },
                    text: "Please describe this image in detail."))
        }
        self.questions = questions
        index = QuestionIndex(questions)
    }

    package var identity: JSONObject { ["words": reader.words.identity] }

    package func rows(of object: JSONObject) -> [JSON]? { ObjectAnswer.rows(of: object) }

    package func answer(in row: JSON, at position: Int) throws(BadAnswer) -> BenchmarkAnswer {
        let names = ["image_id", "id", "idx"]
        guard let id = try ObjectAnswer.image(row, names) else {
            throw BadAnswer(.missingField, "the field \"image_id\" or \"id\" is missing")
        }
        return BenchmarkAnswer(question: try index.position(of: id), text: try ObjectAnswer.text(row))
    }

    package func score(
        _ answer: BenchmarkAnswer, run: Int, judge: (any Judge)?, stop: StopSignal
    ) throws(DamaError) -> AnswerScore {
        try reader.score(
            reader.mentions(in: answer.text), of: answer.text.pythonStripped, image: answer.question)
    }

    package func metrics(_ counts: Counts) -> [Metric] { ObjectMetrics.chair(counts) }
}
