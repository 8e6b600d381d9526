import DamaSupport

/// The metrics of one or several runs of a judge.
package struct MetricTable: Equatable, Sendable {
    package private(set) var rows: [EvaluationMetric] = []

    /// - Parameter runs: For each run, its metrics; all runs have the same.
    package init(_ runs: [[Metric]]) {
        guard let first = runs.first else { return }
        for (position, metric) in first.enumerated() {
            let values = runs.map { position < $0.count ? $0[position].value : nil }
            var row = EvaluationMetric(name: metric.name, runs: values, official: metric.official)
            if runs.count > 1 {
                row.official = metric.meanDigits.flatMap { digits in
                    row.value.map { NumpyNumber.rounded($0, digits: digits).description }
                }
            }
            rows.append(row)
        }
    }

    package var json: JSON {
        .object(JSONObject(rows.map { (key: $0.name, value: $0.json) }))
    }

    package init?(_ json: JSON) {
        guard let members = json.object?.members else { return nil }
        for member in members {
            guard let metric = EvaluationMetric(name: member.key, member.value) else { return nil }
            rows.append(metric)
        }
    }
}

/// A metric of an evaluation.
public struct EvaluationMetric: Equatable, Sendable {
    /// The name, such as `chair`.
    public let name: String
    /// The value of each run, in the unit of the official script; `nil` if its denominator is 0.
    public let runs: [Double?]
    /// The number as the official script prints it; `nil` for a metric that is not its, and for several runs where the
    /// script prints no mean.
    public internal(set) var official: String?

    /// The value, or the mean over the runs; `nil` if a run has none.
    public var value: Double? {
        let values = runs.compactMap { $0 }
        guard !values.isEmpty, values.count == runs.count else { return nil }
        return values.reduce(0, +) / Double(values.count)
    }

    /// The standard deviation over the runs, with their number as divisor; `nil` for one run.
    public var standardDeviation: Double? {
        let values = runs.compactMap { $0 }
        guard runs.count > 1, values.count == runs.count, let mean = value else { return nil }
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return (squares / Double(values.count)).squareRoot()
    }

    init(name: String, runs: [Double?], official: String?) {
        self.name = name
        self.runs = runs
        self.official = official
    }

    var json: JSON {
        func number(_ value: Double?) -> JSON { value.map { .double($0) } ?? .null }
        var members: [JSONObject.Member] = [("value", number(value))]
        if let official { members.append(("official", .string(official))) }
        if runs.count > 1 {
            members.append(("standard_deviation", number(standardDeviation)))
            members.append(("runs", .array(runs.map(number))))
        }
        return .object(JSONObject(members))
    }

    init?(name: String, _ json: JSON) {
        guard let value = json.object?["value"] else { return nil }
        self.name = name
        runs = json["runs"]?.array?.map(\.double) ?? [value.double]
        official = json["official"]?.string
    }
}
