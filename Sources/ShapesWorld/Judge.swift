/// The exact judge: compares every sentence of a response with the scene.
package struct Verdict: Equatable, Sendable {
    package struct Mention: Equatable, Sendable {
        package var sentence: String
        /// `nil` if the sentence states no fact of this world; it then counts as false.
        package var fact: Fact?
        package var isTrue: Bool
    }

    package var mentions: [Mention]
    /// Objects of the scene that a true mention names.
    package var covered: Int
    package var objects: Int
    package var words: Int

    package init(response: String, scene: Scene) {
        mentions = SentenceParser.sentences(response).map { sentence in
            let fact = SentenceParser.parse(sentence)
            return Mention(sentence: sentence, fact: fact, isTrue: fact?.holds(in: scene) ?? false)
        }
        covered = Set(mentions.flatMap { $0.fact?.witnesses(in: scene) ?? [] }).count
        objects = scene.objects.count
        words = response.split { $0.isWhitespace }.count
    }

    package var falseCount: Int { mentions.count { !$0.isTrue } }
    package var malformedCount: Int { mentions.count { $0.fact == nil } }
    /// The share of mentions that are false; 0 if there are none.
    package var falseShare: Double { mentions.isEmpty ? 0 : Double(falseCount) / Double(mentions.count) }
}

/// Statistics over many responses, as in Object HalBench, but exact.
package struct JudgeSummary: Equatable, Sendable {
    package var responses = 0
    /// Responses without a false mention. An empty response has none; ``empty`` counts those.
    package var faithful = 0
    package var mentions = 0
    package var trueMentions = 0
    package var malformed = 0
    package var empty = 0
    package var words = 0
    /// False mentions by kind of error.
    package var falseByKind: [Hallucination: Int] = [:]
    private var coverageSum = 0.0

    package init() {}

    package mutating func add(_ verdict: Verdict, scene: Scene) {
        responses += 1
        if verdict.falseCount == 0 { faithful += 1 }
        mentions += verdict.mentions.count
        trueMentions += verdict.mentions.count - verdict.falseCount
        malformed += verdict.malformedCount
        if verdict.mentions.isEmpty { empty += 1 }
        words += verdict.words
        coverageSum += verdict.objects == 0 ? 0 : Double(verdict.covered) / Double(verdict.objects)
        for mention in verdict.mentions {
            if let fact = mention.fact, let kind = scene.diagnosis(of: fact) { falseByKind[kind, default: 0] += 1 }
        }
    }

    /// Share of responses without a false mention.
    package var responseLevel: Double { share(Double(faithful), responses) }
    /// Share of mentions that are true.
    package var mentionLevel: Double { share(Double(trueMentions), mentions) }
    /// Mean share of a scene's objects that are mentioned correctly: saying less is the easy way to be right.
    package var coverage: Double { share(coverageSum, responses) }
    package var meanWords: Double { share(Double(words), responses) }

    private func share(_ part: Double, _ whole: Int) -> Double { whole == 0 ? 0 : part / Double(whole) }
}

extension Scene {
    /// The kind of error of a fact; `nil` if the fact is true. Of several errors the most obvious counts: a claim that
    /// matches no object in both colour and shape, nor in place and one of the two, is about an absent object.
    package func diagnosis(of fact: Fact) -> Hallucination? {
        if fact.holds(in: self) { return nil }
        switch fact {
        case .relation(let a, _, let b):
            return object(a.color, a.shape) != nil && object(b.color, b.shape) != nil ? .relation : .absent
        case .object(let shape, let color, _, let place):
            if let named = object(color, shape) { return place != nil && named.place != place ? .place : .size }
            guard let place, let there = object(at: place) else { return .absent }
            if there.color == color { return .shape }
            if there.shape == shape { return .color }
            return .absent
        }
    }
}
