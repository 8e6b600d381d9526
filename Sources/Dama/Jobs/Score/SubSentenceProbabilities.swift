import DamaSupport

/// The probabilities P of a pair's sub-sentences, Eq. (5), as ``ScoreJob`` writes them or as the authors' data holds them.
struct SubSentenceProbabilities: Equatable, Sendable {
    var chosen: [Double]
    var rejected: [Double]

    /// δ, Eq. (6).
    var delta: Double { chosen.reduce(0, +) - rejected.reduce(0, +) }

    /// The lists of the fields `chosen_logits` and `rejected_logits`, or their JSON texts; `nil` for a row without them.
    ///
    /// - Throws: ``DamaError/Code/model`` naming the field for anything else than a list of numbers.
    init?(released json: JSON) throws(DamaError) {
        guard let chosen = json["chosen_logits"], let rejected = json["rejected_logits"] else { return nil }
        self.chosen = try Self.numbers(chosen, "chosen_logits")
        self.rejected = try Self.numbers(rejected, "rejected_logits")
    }

    /// The probabilities of a line of ``ScoreJob``.
    init(scored json: JSON) throws(DamaError) {
        func values(_ name: String) throws(DamaError) -> [Double] {
            let found = json[name]?.array?.map { $0["probability"]?.double } ?? []
            guard !found.isEmpty, !found.contains(nil) else {
                throw .model("\"\(name)\" is not a list of sub-sentences with their probabilities")
            }
            return found.compactMap(\.self)
        }
        (chosen, rejected) = (try values("chosen"), try values("rejected"))
    }

    private static func numbers(_ value: JSON, _ name: String) throws(DamaError) -> [Double] {
        var list = value
        if let text = value.string {
            guard let parsed = try? JSON(parsing: text.utf8) else { throw .model("\(name) is not the text of a list") }
            list = parsed
        }
        let numbers = (list.array ?? []).map(\.double)
        guard !numbers.isEmpty, numbers.allSatisfy({ $0?.isFinite == true }) else {
            throw .model("\(name) is not a list of numbers, one for each sub-sentence")
        }
        return numbers.compactMap(\.self)
    }

    /// The probabilities of all lines of a score job's output, by id.
    static func table(path: String) throws(DamaError) -> [ExactText: SubSentenceProbabilities] {
        var found: [ExactText: SubSentenceProbabilities] = [:]
        try ScoreLines.forEach(of: path) { json throws(DamaError) in
            guard let id = json["id"] else { throw .model("expected id, as the scoring job writes it") }
            guard found.updateValue(try SubSentenceProbabilities(scored: json), forKey: ExactText(id.text)) == nil
            else {
                throw .model("the id \(id.text) is a duplicate; every pair must have its own id")
            }
        }
        return found
    }
}
