import DamaSupport

/// What an answer adds to a benchmark's metrics: numbers by name. Those of all answers are summed.
package struct Counts: Equatable, Sendable, ExpressibleByDictionaryLiteral {
    package private(set) var values: [String: Double]

    package init(_ values: [String: Double] = [:]) { self.values = values }

    package init(dictionaryLiteral elements: (String, Double)...) {
        values = Dictionary(elements, uniquingKeysWith: +)
    }

    /// The number of this name; 0 if there is none.
    package subscript(name: String) -> Double {
        get { values[name, default: 0] }
        set { values[name] = newValue }
    }

    package static func += (sum: inout Counts, other: Counts) {
        for (name, value) in other.values { sum.values[name, default: 0] += value }
    }

    /// The counts that are not 0, in the order of their names.
    package var json: JSON {
        .object(
            JSONObject(
                values.filter { $0.value != 0 }.sorted { $0.key < $1.key }.map { name, value in
                    (key: name, value: Int64(exactly: value).map { .int($0) } ?? .double(value))
                }))
    }

    package init?(_ json: JSON) {
        guard let members = json.object?.members else { return nil }
        values = [:]
        for member in members {
            guard let value = member.value.double else { return nil }
            values[member.key] = value
        }
    }
}

/// A metric of a benchmark.
package struct Metric: Equatable, Sendable {
    /// The name in summaries: `chair`.
    package var name: String
    /// The exact value, in the unit of the official script; `nil` if its denominator is 0.
    package var value: Double?
    /// The number as the official script prints it; `nil` if no official script has this metric.
    package var official: String?
    /// The digits behind the point of the mean over several runs, where the official script prints it with NumPy.
    package var meanDigits: Int?

    package init(_ name: String, _ value: Double?, official: String? = nil, meanDigits: Int? = nil) {
        self.name = name
        self.value = value.flatMap { $0.isFinite ? $0 : nil }
        self.official = official
        self.meanDigits = meanDigits
    }

    /// `scale · numerator / denominator`; without a value if the denominator is 0.
    package init(
        _ name: String, _ numerator: Double, over denominator: Double, scale: Double = 100, official: String? = nil
    ) {
        self.init(name, denominator == 0 ? nil : scale * numerator / denominator, official: official)
    }
}

/// The score of one answer in one run.
package struct AnswerScore: Equatable, Sendable {
    /// Whether the answer is right; `nil` if the benchmark has degrees.
    package var pass: Bool?
    package var counts: Counts
    /// What the score rests on: nouns, the judge's text. A member's name is none of `id`, `pass`, `counts`, `runs`.
    package var evidence: JSONObject

    package init(pass: Bool?, counts: Counts, evidence: JSONObject = [:]) {
        self.pass = pass
        self.counts = counts
        self.evidence = evidence
    }
}
