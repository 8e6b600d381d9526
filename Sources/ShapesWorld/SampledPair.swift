import DamaSupport

/// A response with the judge's verdict.
package struct JudgedResponse: Equatable, Sendable {
    package var text: String
    package var verdict: Verdict

    package init(_ text: String, scene: Scene) {
        self.text = text
        verdict = Verdict(response: text, scene: scene)
    }

    /// Whether the response states something, and only in sentences of this world.
    package var isSound: Bool { !verdict.mentions.isEmpty && verdict.malformedCount == 0 }
}

/// A question about a scene, with the best and the worst of a policy's own responses.
package struct SampledPair: Equatable, Sendable {
    /// The id of the scene.
    package var id: JSON
    package var image: String
    package var question: String
    package var scene: Scene
    package var chosen: JudgedResponse
    package var rejected: JudgedResponse
    /// Whether the label is wrong: the worse response is the chosen one.
    package var isFlipped = false

    /// The best and the worst of `responses` by the false share of what they state; `nil` if no two sound ones differ
    /// in it. Of equally good ones, those closest in length are taken.
    package init?(id: JSON, image: String, question: String, scene: Scene, responses: [JudgedResponse]) {
        let sound = responses.filter(\.isSound)
        let shares = sound.map(\.verdict.falseShare)
        guard let least = shares.min(), let most = shares.max(), least < most else { return nil }
        let best = sound.filter { $0.verdict.falseShare == least }
        let worst = sound.filter { $0.verdict.falseShare == most }
        var closest: (gap: Int, chosen: JudgedResponse, rejected: JudgedResponse)?
        for chosen in best {
            for rejected in worst {
                let gap = abs(chosen.verdict.words - rejected.verdict.words)
                if closest.map({ gap < $0.gap }) ?? true { closest = (gap, chosen, rejected) }
            }
        }
        guard let closest else { return nil }
        self.id = id
        self.image = image
        self.question = question
        self.scene = scene
        chosen = closest.chosen
        rejected = closest.rejected
    }

    /// The number of words of the chosen response minus that of the rejected one.
    package var wordDifference: Int { chosen.verdict.words - rejected.verdict.words }
    /// How much more of the rejected response is false, in [−1, 1]; below 0 if the label is wrong.
    package var shareDifference: Double { rejected.verdict.falseShare - chosen.verdict.falseShare }

    mutating func flip() {
        swap(&chosen, &rejected)
        isFlipped.toggle()
    }

    /// The row that `dama score` and trainers read.
    package var row: JSON {
        [
            "idx": id, "image": .string(image), "question": .string(question), "chosen": .string(chosen.text),
            "rejected": .string(rejected.text),
        ]
    }

    /// The data that only the judge may see, with the fields of a planted pair.
    package var truth: JSON {
        let faults = rejected.verdict.mentions.compactMap { $0.fact.flatMap { scene.diagnosis(of: $0) } }
        let kinds = Set(faults)
        let kind = kinds.count == 1 ? kinds.first?.rawValue ?? "none" : kinds.isEmpty ? "none" : "mixed"
        return [
            "idx": id, "objects": scene.json, "kind": .string(kind), "amount": .int(Int64(faults.count)),
            "chosen": side(chosen), "rejected": side(rejected), "share_difference": .double(shareDifference),
            "flipped": .bool(isFlipped),
        ]
    }

    private func side(_ response: JudgedResponse) -> JSON {
        [
            "sentences": .int(Int64(response.verdict.mentions.count)),
            "false": .int(Int64(response.verdict.falseCount)), "words": .int(Int64(response.verdict.words)),
        ]
    }
}
