import DamaSupport

/// The metrics of several results of a benchmark over the questions that all of them answered, with intervals, and
/// their differences to the first result.
public struct EvaluationComparison: Equatable, Sendable {
    /// A result.
    public struct Result: Equatable, Sendable {
        public var name: String
        /// The number of runs of the judge; metrics are means over them.
        public var runs: Int
        public var answered: Int
        /// Questions that another result does not have; they are left out.
        public var leftOut: [String]
    }

    /// A number and its percentile interval; `nil` where a denominator is 0.
    public struct Estimate: Equatable, Sendable {
        public var value: Double?
        public var low: Double?
        public var high: Double?
        /// Resamples without a value; the interval leaves them out.
        public var undefined: Int
    }

    /// A metric of all results.
    public struct Row: Equatable, Sendable {
        public var name: String
        /// In the unit of the official script.
        public var values: [Estimate]
        /// To the first result, which has none.
        public var differences: [Estimate?]
    }

    /// McNemar's exact test between the first result and another.
    public struct Test: Equatable, Sendable {
        /// The other's position in ``EvaluationComparison/results``.
        public var result: Int
        /// Questions that both, one or none of them passes.
        public var both: Int
        public var onlyFirst: Int
        public var onlyOther: Int
        public var neither: Int
        /// Two-sided.
        public var pValue: Double
    }

    /// A setting in which the results differ, although they should not.
    public struct Discrepancy: Equatable, Sendable {
        public var setting: String
        /// One for each result.
        public var values: [String]

        package init(setting: String, values: [String]) {
            self.setting = setting
            self.values = values
        }
    }

    public let benchmark: String
    public let results: [Result]
    /// The questions that all results answered.
    public let questions: Int
    public let rows: [Row]
    /// Empty for a benchmark without right and wrong answers, and for several runs.
    public let tests: [Test]
    /// What a pass is called: `right`.
    public let passName: String
    public let resamples: Int
    public let seed: UInt64
    public let confidence: Double
    /// Allowed by the caller.
    public let discrepancies: [Discrepancy]

    /// - Parameter metrics: the metrics of the summed counts of one run; called from several threads.
    /// - Throws: ``DamaError/Code/invalidArgument`` for fewer than two results, results that cannot be compared, and
    ///   bad options; ``DamaError/cancelled`` once `stop` is set.
    package init(
        benchmark: String, passName: String?, _ compared: [ComparedResults], _ bootstrap: PairedBootstrap,
        discrepancies: [Discrepancy] = [], stop: StopSignal = StopSignal(),
        metrics: @escaping @Sendable (Counts) -> [Metric]
    ) throws(DamaError) {
        guard compared.count > 1, let first = compared.first else {
            throw .invalidArgument("\(compared.count) results; a comparison needs at least 2")
        }
        guard (1...1_000_000).contains(bootstrap.resamples) else {
            throw .invalidArgument("resamples is \(bootstrap.resamples); expected an integer from 1 to 1000000")
        }
        guard bootstrap.confidence > 0, bootstrap.confidence < 1 else {
            throw .invalidArgument("confidence is \(bootstrap.confidence); expected a number between 0 and 1")
        }
        var tables: [[ExactText: ResultLine]] = []
        for results in compared { tables.append(try results.byQuestion()) }
        // In the order of the first result.
        let keys = first.lines.map(ComparedResults.key).filter { key in tables.allSatisfy { $0[key] != nil } }
        guard !keys.isEmpty else {
            throw .invalidArgument(
                "no question was answered in all of \(compared.map(\.name).joined(separator: ", ")); results of the same "
                    + "questions can be compared")
        }
        let shared = Set(keys)
        results = compared.map { results in
            Result(
                name: results.name, runs: results.runs, answered: results.lines.count,
                leftOut: results.lines.filter { !shared.contains(ComparedResults.key($0)) }.map(\.id.text))
        }
        let lines = tables.map { table in keys.compactMap { table[$0] } }
        rows = try Self.rows(lines, compared.map(\.runs), bootstrap, stop, metrics)
        tests = Self.tests(lines)
        self.benchmark = benchmark
        self.passName = passName ?? "passed"
        questions = keys.count
        (resamples, seed, confidence) = (bootstrap.resamples, bootstrap.seed, bootstrap.confidence)
        self.discrepancies = discrepancies
    }

    // MARK: Metrics

    /// - Parameters:
    ///   - lines: [results][questions]
    ///   - runs: the number of runs of each result.
    private static func rows(
        _ lines: [[ResultLine]], _ runs: [Int], _ bootstrap: PairedBootstrap, _ stop: StopSignal,
        _ metrics: @escaping @Sendable (Counts) -> [Metric]
    ) throws(DamaError) -> [Row] {
        let names = Set(lines.joined().flatMap { $0.runs.flatMap { $0.counts.values.keys } }).sorted()
        // A question's columns: the counts of each run of each result.
        let questions = (lines.first ?? []).indices.map { question in
            lines.flatMap { $0[question].runs.flatMap { run in names.map { run.counts[$0] } } }
        }
        /// [metrics][results]
        let values: @Sendable ([Double]) -> [[Double?]] = { sums in
            var start = 0
            let results = runs.map { count in
                let tables = (0..<count).map { run in
                    metrics(
                        Counts(
                            Dictionary(
                                zip(names, sums[(start + run * names.count)...]), uniquingKeysWith: { $1 })))
                }
                start += count * names.count
                return MetricTable(tables).rows.map(\.value)
            }
            return (results.first ?? []).indices.map { metric in results.map { $0[metric] } }
        }
        /// All values, then all differences to the first result.
        let statistics: @Sendable ([Double]) -> [Double?] = { sums in
            values(sums).flatMap { row in
                row + row.dropFirst().map { value in row[0].flatMap { first in value.map { $0 - first } } }
            }
        }
        var sums = [Double](repeating: 0, count: questions.first?.count ?? 0)
        for question in questions { for (column, value) in question.enumerated() { sums[column] += value } }
        guard sums.allSatisfy(\.isFinite) else { throw .invalidArgument("the results' counts are not finite") }
        let found = statistics(sums)
        let estimates = zip(found, try bootstrap.estimates(questions, stop: stop, statistics: statistics)).map {
            Estimate(
                value: $0, low: $0 == nil ? nil : $1.interval?.low, high: $0 == nil ? nil : $1.interval?.high,
                undefined: $1.undefined)
        }
        let width = 2 * runs.count - 1
        return metrics(Counts()).enumerated().map { index, metric in
            let part = estimates[index * width..<(index + 1) * width]
            return Row(
                name: metric.name, values: Array(part.prefix(runs.count)),
                differences: [nil] + part.dropFirst(runs.count).map(Optional.some))
        }
    }

    private static func tests(_ lines: [[ResultLine]]) -> [Test] {
        guard let first = lines.first else { return [] }
        return lines.indices.dropFirst().compactMap { result in
            var test = McNemar()
            for (a, b) in zip(first, lines[result]) {
                guard a.runs.count == 1, b.runs.count == 1, let one = a.runs[0].pass, let other = b.runs[0].pass else {
                    return nil
                }
                test.add(first: one, second: other)
            }
            return Test(
                result: result, both: test.both, onlyFirst: test.onlyFirst, onlyOther: test.onlySecond,
                neither: test.neither, pValue: test.pValue)
        }
    }
}
