import DamaImage
import DamaSupport

/// Pairs as a folder: images/00000.jpg …, pairs.jsonl for `dama score` and trainers, truth.jsonl for the judge.
package struct PairExport {
    package var generator: PairGenerator
    package var renderer: Renderer

    package init(generator: PairGenerator, renderer: Renderer) {
        self.generator = generator
        self.renderer = renderer
    }

    /// - Parameter folder: Must already contain a folder `images`.
    package func write(count: Int, to folder: String) throws(DamaError) {
        let pairs = try OutputFile(path: "\(folder)/pairs.jsonl")
        let truth = try OutputFile(path: "\(folder)/truth.jsonl")
        for index in 0..<count {
            let pair = generator.pair(index)
            let image = imageName(index)
            try renderer.render(pair.scene).writeJPEG(to: "\(folder)/\(image)")
            try pairs.write(line: pair.row(image: image))
            try truth.write(line: pair.truth)
        }
        try pairs.close()
        try truth.close()
    }
}

/// Scenes to describe: images/00000.jpg …, questions.jsonl and truth.jsonl.
package struct SceneExport {
    package var generator: SceneGenerator
    package var renderer: Renderer

    package init(generator: SceneGenerator, renderer: Renderer) {
        self.generator = generator
        self.renderer = renderer
    }

    /// - Parameter folder: Must already contain a folder `images`.
    package func write(count: Int, to folder: String) throws(DamaError) {
        let questions = try OutputFile(path: "\(folder)/questions.jsonl")
        let truth = try OutputFile(path: "\(folder)/truth.jsonl")
        for index in 0..<count {
            let scene = generator.scene(index)
            let image = imageName(index)
            let idx = JSON.int(Int64(index))
            let question = SentenceTemplates.questions[index % SentenceTemplates.questions.count]
            try renderer.render(scene).writeJPEG(to: "\(folder)/\(image)")
            try questions.write(line: ["idx": idx, "image": .string(image), "question": .string(question)])
            try truth.write(line: ["idx": idx, "objects": scene.json])
        }
        try questions.close()
        try truth.close()
    }
}

/// Relative to the folder, as `dama score` expects.
private func imageName(_ index: Int) -> String {
    let digits = "\(index)"
    return "images/" + String(repeating: "0", count: max(0, 5 - digits.count)) + digits + ".jpg"
}

extension RGBImage {
    /// Writes a JPEG file of quality 90.
    func writeJPEG(to path: String) throws(DamaError) {
        let file = try OutputFile(path: path)
        try file.write(try JPEGEncoder.encode(self, quality: 90))
        try file.close()
    }
}
