import DamaSupport

/// Scenes with true and false sentences, for training models.
package struct TrainingExport {
    package var generator: SceneGenerator
    package var renderer: Renderer
    /// False sentences of each kind per scene.
    package var falsePerKind = 2
    package var relationsPerScene = 4
    /// Captions of each sort per scene.
    package var captionsPerScene = 4
    /// See ``Captioner/shift``.
    package var habitShift = 0.0

    package init(generator: SceneGenerator, renderer: Renderer) {
        self.generator = generator
        self.renderer = renderer
    }

    /// Writes `images.bin`, bytes [count, side, side, 3], and `scenes.jsonl`, a line for each image:
    /// `{"objects": [[shape, color, size, place], …], "true": [{"text", "fact"}, …],
    /// "false": [{"kind", "text", "fact"}, …], "captions": ["…", …], "habitual": ["…", …]}` with the codes of
    /// ``Fact/code``; the habitual captions err as ``Captioner`` describes.
    package func write(count: Int, to folder: String) throws(DamaError) {
        let images = try OutputFile(path: "\(folder)/images.bin")
        let lines = try OutputFile(path: "\(folder)/scenes.jsonl")
        for index in 0..<count {
            let scene = generator.scene(index)
            try images.write(try renderer.render(scene).pixels)
            var bytes: [UInt8] = []
            describe(scene, index).write(to: &bytes)
            bytes.append(UInt8(ascii: "\n"))
            try lines.write(bytes)
        }
        try images.close()
        try lines.close()
    }

    private func describe(_ scene: Scene, _ index: Int) -> JSON {
        var random = RandomGenerator(seed: scene.renderSeed, stream: 1)
        let facts = scene.objects.map { Fact.object($0) } + random.shuffled(scene.relations).prefix(relationsPerScene)
        let truths = facts.map { fact -> JSON in
            ["text": .string(SentenceTemplates.sentence(fact, &random)), "fact": fact.json]
        }
        var falsehoods: [JSON] = []
        for kind in Hallucination.allCases {
            for _ in 0..<(kind == .relation ? 2 * falsePerKind : falsePerKind) {
                guard let object = random.pick(scene.objects), let fact = scene.falsehood(kind, about: object, &random)
                else { continue }
                falsehoods.append([
                    "kind": .string(kind.rawValue),
                    "text": .string(SentenceTemplates.sentence(fact, &random)), "fact": fact.json,
                ])
            }
        }
        return [
            "objects": scene.json, "true": .array(truths), "false": .array(falsehoods),
            "captions": captions(scene, Captioner(hasHabits: false), stream: 2),
            "habitual": captions(scene, Captioner(hasHabits: true, shift: habitShift), stream: 3),
        ]
    }

    private func captions(_ scene: Scene, _ captioner: Captioner, stream: UInt64) -> JSON {
        var random = RandomGenerator(seed: scene.renderSeed, stream: stream)
        return .array((0..<captionsPerScene).map { _ in .string(captioner.caption(scene, &random)) })
    }
}

extension Fact {
    var json: JSON { .array(code.map { .int(Int64($0)) }) }
}

extension Scene {
    /// [[shape, color, size, place], …] in codes.
    package var json: JSON {
        .array(
            objects.map { object in
                let codes = [object.shape.rawValue, object.color.rawValue, object.size.rawValue, object.place.rawValue]
                return .array(codes.map { .int(Int64($0)) })
            })
    }

    /// Reads the format of ``json``.
    package init(json: JSON) throws(DamaError) {
        guard let rows = json.array else { throw .model("a scene is an array of objects, found \(json.kind)") }
        var objects: [SceneObject] = []
        for row in rows {
            let codes = row.array?.compactMap(\.int) ?? []
            guard codes.count == 4, let shape = Shape(rawValue: codes[0]), let color = Color(rawValue: codes[1]),
                let size = Size(rawValue: codes[2]), let place = Place(rawValue: codes[3])
            else { throw .model("an object is [shape, color, size, place] in codes, found \(row.text)") }
            objects.append(SceneObject(shape: shape, color: color, size: size, place: place))
        }
        self.init(objects: objects)
    }
}
