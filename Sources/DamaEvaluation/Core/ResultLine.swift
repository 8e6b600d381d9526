import DamaSupport

/// A line of an evaluation's results.
///
/// ```json
/// {"id": 7, "pass": false, "counts": {"nouns": 4, "hallucinated": 1}, "hallucinated_words": ["dog"]}
/// {"id": "v1_0", "runs": [{"counts": {"score": 0.5}, "judge": "0.5"}, {"counts": {"score": 0.6}, "judge": "0.6"}]}
/// ```
package struct ResultLine: Equatable, Sendable {
    package var id: JSON
    /// Whether the answer has no text.
    package var isEmpty: Bool
    /// A score for each run. With one run, its members are the line's.
    package var runs: [AnswerScore]

    /// The members that are no evidence.
    static let ownNames = ["id", "empty", "pass", "counts", "runs"]

    package init(id: JSON, isEmpty: Bool, runs: [AnswerScore]) {
        self.id = id
        self.isEmpty = isEmpty
        self.runs = runs
    }

    package var json: JSON {
        var members: [JSONObject.Member] = [("id", id)]
        if isEmpty { members.append(("empty", true)) }
        if runs.count == 1, let score = runs.first {
            members += Self.members(score)
        } else {
            members.append(("runs", .array(runs.map { .object(JSONObject(Self.members($0))) })))
        }
        return .object(JSONObject(members))
    }

    package init?(_ json: JSON) {
        guard let id = json["id"] else { return nil }
        self.id = id
        isEmpty = json["empty"]?.bool ?? false
        runs = []
        for part in json["runs"]?.array ?? [json] {
            guard let score = Self.score(part) else { return nil }
            runs.append(score)
        }
    }

    private static func members(_ score: AnswerScore) -> [JSONObject.Member] {
        (score.pass.map { [("pass", .bool($0))] } ?? []) + [("counts", score.counts.json)] + score.evidence.members
    }

    private static func score(_ json: JSON) -> AnswerScore? {
        guard let counts = json["counts"].flatMap({ Counts($0) }), let members = json.object?.members else {
            return nil
        }
        return AnswerScore(
            pass: json["pass"]?.bool, counts: counts,
            evidence: JSONObject(members.filter { !ownNames.contains($0.key) }))
    }
}
