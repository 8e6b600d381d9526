import DamaSupport

/// AMBER's metrics, in percent: exact, and as `inference.py` of AMBER 534babf prints them.
struct AmberMetrics {
    private let totals: AmberTotals

    init(_ totals: AmberTotals) { self.totals = totals }

    /// CHAIR, Cover, Hal and Cog of the descriptions. All are ratios of sums over all descriptions, not means of each
    /// description's ratio as in the paper's equations.
    var generative: [Metric] {
        let clean = totals.official("clean") / totals.official("descriptions") * 100
        let descriptions = totals.exact["descriptions"]
        return [
            ratio("chair", ["hallucinated"], ["nouns"]),
            ratio("cover", ["covered"], ["truth_words"]),
            Metric(
                "hal", descriptions - totals.exact["clean"], over: descriptions, official: Self.printed(100 - clean)),
            ratio("cog", ["imagined"], ["hallu_words"]),
        ]
    }

    /// Accuracy, precision, recall and F1 of the questions of some dimensions.
    ///
    /// - Parameters:
    ///   - title: Begins the metrics' names; empty for all questions.
    ///   - addend: The official script adds it to the denominator of F1.
    func questions(_ title: String, _ dimensions: [String], addend: Double = 0.0001) -> [Metric] {
        func names(_ count: String) -> [String] { dimensions.map { "\($0)_\(count)" } }
        let prefix = title.isEmpty ? "" : "\(title)_"
        let accuracy = ratio("\(prefix)accuracy", names("right"), names("questions"))
        let precision = ratio("\(prefix)precision", names("right_no"), names("said_no"))
        let recall = ratio("\(prefix)recall", names("right_no"), names("no"))
        // The official F1 comes from the rounded values.
        let (p, r) = (Self.number(precision) / 100, Self.number(recall) / 100)
        let official = 2 * p * r / (p + r + addend) * 100
        let exact = precision.value.flatMap { p in recall.value.flatMap { r in p + r > 0 ? 2 * p * r / (p + r) : nil } }
        return [accuracy, precision, recall, Metric("\(prefix)f1", exact, official: Self.printed(official))]
    }

    private func ratio(_ name: String, _ numerators: [String], _ denominators: [String]) -> Metric {
        func sum(_ names: [String], _ value: (String) -> Double) -> Double {
            names.dropFirst().reduce(names.first.map(value) ?? 0) { $0 + value($1) }
        }
        let official = sum(numerators, totals.official) / sum(denominators, totals.official) * 100
        return Metric(
            name, sum(numerators) { totals.exact[$0] }, over: sum(denominators) { totals.exact[$0] },
            official: Self.printed(official))
    }

    /// Python's `print(round(value, 1))`.
    private static func printed(_ value: Double) -> String { FixedPoint.text(value, digits: 1) }

    private static func number(_ metric: Metric) -> Double { metric.official.flatMap(Double.init) ?? 0 }
}
