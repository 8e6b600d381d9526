import DamaSupport

/// The official questions: JSON Lines with `question`, `image_id`, and the image itself in base64.
enum QuestionFile {
    struct Question: Equatable {
        /// The image's id in COCO.
        var id: Int
        var text: String
    }

    static let download = Download(
        "obj_halbench_300_with_image.jsonl", address: "https://github.com/RLHF-V/RLAIF-V/tree/main/eval/data")

    static let input = DataInput("questions.jsonl", "the questions", from: [download]) {
        (found, path) throws(DamaError) in
        var lines: [UInt8] = []
        try forEach(found[download.name] ?? "") { question, _ in
            let json: JSON = ["image_id": .int(Int64(question.id)), "question": .string(question.text)]
            lines += Array("\(json.text)\n".utf8)
        }
        try Files.writeAtomically(lines, to: path)
    }

    static let imageName = "images.jsonl"
    static let imageInput = DataInput(
        imageName, "the questions' images, for dama evaluate questions", from: [download], isOptional: true)

    static func questions(_ folder: DataFolder) throws(DamaError) -> [Question] {
        var questions: [Question] = []
        try forEach(try folder.file(input.name)) { question, _ in questions.append(question) }
        guard !questions.isEmpty else { throw .invalidArgument("\(folder.path)/\(input.name) has no questions") }
        return questions
    }

    /// Reads the questions one by one.
    ///
    /// - Parameter withImages: Whether the images are read. They are passed over otherwise.
    static func forEach(
        _ path: String, withImages: Bool = false, _ body: (Question, JSON?) throws(DamaError) -> Void
    ) throws(DamaError) {
        var stream = JSONStream(try FileBytes(path: path), name: path)
        var number = 0
        while try !stream.isAtEnd() {
            number += 1
            var (id, text, image): (JSON?, String?, JSON?)
            try stream.object { stream, key throws(DamaError) in
                switch key {
                case "image_id": id = try stream.value()
                case "question": text = try stream.string()
                case "image" where withImages: image = try stream.value(limit: 1 << 28)
                default: break
                }
            }
            guard let id = id?.int ?? id?.string.flatMap({ Int($0) }), let text else {
                throw .invalidArgument("\(path): question \(number) lacks image_id or question")
            }
            guard !withImages || image != nil else {
                throw .invalidArgument("\(path): question \(number) has no image")
            }
            try body(Question(id: id, text: text), image)
        }
    }
}
