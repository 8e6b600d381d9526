import DamaSupport

/// A question about a scene with a better and a worse answer, and the truth about both.
package struct PreferencePair: Sendable {
    package var index: Int
    package var scene: Scene
    package var question: String
    package var chosen: WrittenResponse
    package var rejected: WrittenResponse

    /// The row that `dama score` and the trainers of RLAIF-V's data read.
    package func row(image: String) -> JSON {
        [
            "idx": .int(Int64(index)), "image": .string(image), "question": .string(question),
            "chosen": .string(chosen.text), "rejected": .string(rejected.text),
        ]
    }

    /// The data that only the judge may see.
    package var truth: JSON {
        let kinds = Set(rejected.planted)
        let kind = kinds.count == 1 ? kinds.first?.rawValue ?? "" : "mixed"
        return [
            "idx": .int(Int64(index)), "objects": scene.json, "kind": .string(kind),
            "amount": .int(Int64(rejected.planted.count)),
            "planted": .array(rejected.planted.map { .string($0.rawValue) }),
            "chosen": side(chosen), "rejected": side(rejected),
            "share_difference": .double(shareDifference),
        ]
    }

    /// How much larger the false share of the rejected response is, in [−1, 1].
    package var shareDifference: Double {
        Double(rejected.planted.count) / Double(rejected.facts.count)
            - Double(chosen.planted.count) / Double(chosen.facts.count)
    }

    private func side(_ response: WrittenResponse) -> JSON {
        ["sentences": .int(Int64(response.facts.count)), "false": .int(Int64(response.planted.count))]
    }
}

/// Preference pairs with planted hallucinations, from one subtly wrong attribute to only absent objects.
///
/// Two thirds of the rejected responses contain falsehoods of one kind only, each kind and each amount about equally
/// often; the rest mix the kinds. If a rejected response contains two or more, one chosen response in four contains one
/// too, like responses that a model ranked. Both sides say equally much, so that length does not distinguish them.
package struct PairGenerator: Sendable {
    package let scenes: SceneGenerator

    package init(scenes: SceneGenerator) { self.scenes = scenes }

    /// Pair `index`; it depends on the scenes' seed and on `index` alone.
    package func pair(_ index: Int) -> PreferencePair {
        var random = RandomGenerator(seed: scenes.seed ^ 0x9A17, stream: UInt64(index))
        var attempt = index << 8
        while true {
            if let pair = draw(index, scenes.scene(attempt), &random) { return pair }
            attempt += 1
        }
    }

    private func draw(_ index: Int, _ scene: Scene, _ random: inout RandomGenerator) -> PreferencePair? {
        let single: Hallucination? = random.uniform() < 0.67 ? random.pick(Hallucination.self) : nil
        let facts = pickFacts(scene, relations: single == .relation ? 2 : random.uniform(below: 2), &random)
        // Facts that the wanted kind can replace: relations by relations, objects by any other kind.
        let open = facts.indices.filter { single == nil || isRelation(facts[$0]) == (single == .relation) }
        guard let amount = open.isEmpty ? nil : 1 + random.uniform(below: open.count) else { return nil }
        var rejectedPlan = [Hallucination?](repeating: nil, count: facts.count)
        for position in random.shuffled(open).prefix(amount) {
            rejectedPlan[position] = single ?? anyKind(for: facts[position], &random)
        }
        var chosenPlan = [Hallucination?](repeating: nil, count: facts.count)
        if amount > 1, random.uniform() < 0.25 {
            let position = random.uniform(below: facts.count)
            chosenPlan[position] = anyKind(for: facts[position], &random)
        }
        let writer = ResponseWriter(scene: scene)
        guard let chosen = writer.write(facts, plan: chosenPlan, &random),
            let rejected = writer.write(facts, plan: rejectedPlan, &random)
        else { return nil }
        return PreferencePair(
            index: index, scene: scene, question: random.pick(SentenceTemplates.questions) ?? "", chosen: chosen,
            rejected: rejected)
    }

    /// Most or all of the objects, and up to `relations` relations.
    private func pickFacts(_ scene: Scene, relations: Int, _ random: inout RandomGenerator) -> [Fact] {
        var objects = random.shuffled(scene.objects)
        if objects.count > 2, random.uniform() < 0.3 { objects.removeLast() }
        return objects.map { Fact.object($0) } + random.shuffled(scene.relations).prefix(relations)
    }

    private func anyKind(for fact: Fact, _ random: inout RandomGenerator) -> Hallucination {
        isRelation(fact) ? .relation : random.pick(Hallucination.allCases.filter { $0 != .relation }) ?? .absent
    }

    private func isRelation(_ fact: Fact) -> Bool { if case .relation = fact { true } else { false } }
}
