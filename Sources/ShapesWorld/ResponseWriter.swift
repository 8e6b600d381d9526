import DamaSupport

/// A response: its facts in order, and their text.
package struct WrittenResponse: Equatable, Sendable {
    package var text: String
    package var facts: [Fact]
    /// The kinds of its planted falsehoods, one for each.
    package var planted: [Hallucination]
}

/// Writes responses about a scene with a given number of falsehoods.
package struct ResponseWriter: Sendable {
    package let scene: Scene

    package init(scene: Scene) { self.scene = scene }

    /// States `facts` in random order, each replaced if `plan` names a kind for it.
    ///
    /// - Parameters:
    ///   - facts: True facts of the scene.
    ///   - plan: For each fact the kind of falsehood that replaces it, or `nil`.
    /// - Returns: `nil` if the scene offers no such falsehood.
    package func write(_ facts: [Fact], plan: [Hallucination?], _ random: inout RandomGenerator) -> WrittenResponse? {
        var said: [Fact] = []
        for (fact, kind) in zip(facts, plan) {
            guard let kind else {
                said.append(fact)
                continue
            }
            guard let wrong = falsehood(kind, insteadOf: fact, unlike: said, &random) else { return nil }
            said.append(wrong)
        }
        let shuffled = random.shuffled(said)
        let text = shuffled.map { SentenceTemplates.sentence($0, &random) }.joined(separator: " ")
        return WrittenResponse(text: text, facts: shuffled, planted: plan.compactMap { $0 })
    }

    /// A falsehood that differs from all facts stated so far, and puts no two objects into one cell.
    private func falsehood(
        _ kind: Hallucination, insteadOf fact: Fact, unlike said: [Fact], _ random: inout RandomGenerator
    ) -> Fact? {
        var subject = scene.objects.first
        if case .object(let shape, let color, _, _) = fact { subject = scene.object(color, shape) }
        guard let subject else { return nil }
        for _ in 0..<20 {
            guard let wrong = scene.falsehood(kind, about: subject, &random) else { return nil }
            if said.allSatisfy({ !clash($0, wrong) }) { return wrong }
        }
        return nil
    }

    private func clash(_ a: Fact, _ b: Fact) -> Bool {
        if a == b { return true }
        guard case .object(let shape, let color, _, let place) = a,
            case .object(let otherShape, let otherColor, _, let otherPlace) = b
        else { return false }
        return place == otherPlace || (shape == otherShape && color == otherColor)
    }
}
