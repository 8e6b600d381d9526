import DamaSupport

/// Preference pairs of a policy's own responses, ranked by the judge.
///
/// After RLAIF-V: several responses to each question are sampled, and the best is paired with the worst. As with labels
/// from a model, some are wrong. Length does not distinguish the sides; otherwise a model would learn to say less
/// instead of saying what is true.
package struct PairSampler: Sendable {
    /// The share of labels that are wrong, in expectation.
    package var flips = 0.05
    package var noise = LabelNoise.random
    package var seed: UInt64 = 0

    package init() {}

    /// A question with its sampled responses.
    package struct Question: Sendable {
        package var id: JSON
        package var image: String
        package var text: String
        package var scene: Scene
        package var responses: [String]

        package init(id: JSON, image: String, text: String, scene: Scene, responses: [String]) {
            self.id = id
            self.image = image
            self.text = text
            self.scene = scene
            self.responses = responses
        }
    }

    /// The pairs, in the order of the questions, and statistics of how they were chosen.
    package func pairs(of questions: [Question]) -> (pairs: [SampledPair], statistics: SamplingStatistics) {
        var statistics = SamplingStatistics()
        var pairs: [SampledPair] = []
        var draws: [Double] = []
        for (index, question) in questions.enumerated() {
            let responses = question.responses.map { JudgedResponse($0, scene: question.scene) }
            statistics.add(responses)
            guard
                let pair = SampledPair(
                    id: question.id, image: question.image, question: question.text, scene: question.scene,
                    responses: responses)
            else { continue }
            // A draw depends only on the question's position, so that more questions do not change those before them.
            var random = RandomGenerator(seed: seed ^ 0xF11B, stream: UInt64(index))
            draws.append(random.uniform())
            pairs.append(pair)
        }
        let kept: [SampledPair]
        if noise == .length {
            // Balanced by the true labels: otherwise the judge's taste for length would be balanced away.
            let indices = balanced(pairs)
            kept = noise.labels(indices.map { pairs[$0] }, draws: indices.map { draws[$0] }, share: flips)
        } else {
            let labelled = noise.labels(pairs, draws: draws, share: flips)
            kept = balanced(labelled).map { labelled[$0] }
        }
        statistics.finish(pairs: kept, unbalanced: pairs.count - kept.count)
        return (kept, statistics)
    }

    /// The indices of the pairs without some, so that for every difference in length the longer response is chosen as
    /// often as it is rejected.
    func balanced(_ pairs: [SampledPair]) -> [Int] {
        var groups: [Int: (longer: [Int], shorter: [Int])] = [:]
        for (index, pair) in pairs.enumerated() where pair.wordDifference != 0 {
            let isLonger = pair.wordDifference > 0
            groups[abs(pair.wordDifference), default: ([], [])].longer += isLonger ? [index] : []
            groups[abs(pair.wordDifference), default: ([], [])].shorter += isLonger ? [] : [index]
        }
        var dropped = Set<Int>()
        for (difference, group) in groups {
            let (more, fewer) =
                group.longer.count > group.shorter.count
                ? (group.longer, group.shorter) : (group.shorter, group.longer)
            var random = RandomGenerator(seed: seed ^ 0xBA1A, stream: UInt64(difference))
            dropped.formUnion(random.shuffled(more).dropFirst(fewer.count))
        }
        return pairs.indices.filter { !dropped.contains($0) }
    }
}

/// Statistics of the pairs made from sampled responses.
package struct SamplingStatistics: Equatable, Sendable {
    package private(set) var questions = 0
    package private(set) var responses = 0
    package private(set) var empty = 0
    package private(set) var malformed = 0
    /// Questions for which no two sound responses were judged differently.
    package private(set) var undecided = 0
    /// Pairs left out to balance lengths.
    package private(set) var unbalanced = 0
    package private(set) var pairs = 0
    package private(set) var flipped = 0
    /// Means over the pairs: words of the chosen response, and of the rejected one.
    package private(set) var chosenWords = 0.0
    package private(set) var rejectedWords = 0.0
    /// Mean shares of the chosen and of the rejected responses' mentions that are false.
    package private(set) var chosenFalseShare = 0.0
    package private(set) var rejectedFalseShare = 0.0

    mutating func add(_ judged: [JudgedResponse]) {
        questions += 1
        responses += judged.count
        empty += judged.count { $0.verdict.mentions.isEmpty }
        malformed += judged.count { $0.verdict.malformedCount > 0 }
    }

    mutating func finish(pairs all: [SampledPair], unbalanced count: Int) {
        pairs = all.count
        unbalanced = count
        undecided = questions - pairs - unbalanced
        flipped = all.count { $0.isFlipped }
        guard !all.isEmpty else { return }
        func mean(_ value: (SampledPair) -> Double) -> Double { all.reduce(0) { $0 + value($1) } / Double(all.count) }
        chosenWords = mean { Double($0.chosen.verdict.words) }
        rejectedWords = mean { Double($0.rejected.verdict.words) }
        chosenFalseShare = mean { $0.chosen.verdict.falseShare }
        rejectedFalseShare = mean { $0.rejected.verdict.falseShare }
    }

    package var json: JSON {
        [
            "questions": .int(Int64(questions)), "responses": .int(Int64(responses)), "empty": .int(Int64(empty)),
            "malformed": .int(Int64(malformed)), "undecided": .int(Int64(undecided)),
            "unbalanced": .int(Int64(unbalanced)), "pairs": .int(Int64(pairs)), "flipped": .int(Int64(flipped)),
            "chosen_words": .double(chosenWords), "rejected_words": .double(rejectedWords),
            "chosen_false_share": .double(chosenFalseShare), "rejected_false_share": .double(rejectedFalseShare),
        ]
    }

    package var text: String {
        """
        \(pairs) pairs of \(responses) responses to \(questions) questions; \(flipped) labels flipped
        left out: \(undecided) questions whose responses were judged alike, \(unbalanced) pairs to balance lengths
        dropped: \(malformed) malformed responses, \(empty) empty ones
        words: chosen \(chosenWords.fixed(2)), rejected \(rejectedWords.fixed(2))
        false share: chosen \(chosenFalseShare.fixed(3)), rejected \(rejectedFalseShare.fixed(3)), difference \
        \((rejectedFalseShare - chosenFalseShare).fixed(3))
        """
    }
}
