import DamaEvaluation
import DamaSupport

extension EvaluationComparison {
    /// Compares finished evaluations over the questions that all of them answered.
    ///
    /// ```swift
    /// let options = ComparisonOptions(summaries: ["base.summary.json", "dama.summary.json"])
    /// print(try EvaluationComparison(options).text)
    /// ```
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for fewer than two summaries, files that are not the results of
    ///   evaluations or have changed, results of different benchmarks, other data than theirs, and, unless allowed,
    ///   different data, variants, parts, prompts or judges, each of which the message names;
    ///   ``DamaError/cancelled`` once `stop` is set.
    public init(_ options: ComparisonOptions, stop: StopSignal = StopSignal()) throws(DamaError) {
        var evaluations: [FinishedEvaluation] = []
        for path in options.summaries { evaluations.append(try FinishedEvaluation(summary: path)) }
        guard evaluations.count > 1, let first = evaluations.first else {
            throw .invalidArgument("\(evaluations.count) summaries; a comparison needs at least 2")
        }
        let names = Self.names(evaluations)
        for (name, other) in zip(names, evaluations) where !other.benchmark.hasSameBytes(as: first.benchmark) {
            throw .invalidArgument(
                "\(names[0]) is of the benchmark \(first.benchmark), \(name) of \(other.benchmark); results of one "
                    + "benchmark can be compared")
        }
        let discrepancies = Self.discrepancies(evaluations)
        guard options.allowsDifferent || discrepancies.isEmpty else {
            let texts = discrepancies.map { "\($0.setting) (\($0.text(names)))" }
            throw .invalidArgument(
                "the results differ in \(texts.joined(separator: "; ")); compare results of equal settings, or allow "
                    + "different ones")
        }
        let benchmark = try Self.benchmark(of: evaluations, data: options.data)
        var compared: [ComparedResults] = []
        for (name, evaluation) in zip(names, evaluations) {
            try stop.check()
            compared.append(ComparedResults(name: name, lines: try evaluation.lines()))
        }
        var bootstrap = PairedBootstrap()
        (bootstrap.resamples, bootstrap.seed, bootstrap.confidence) =
            (options.resamples, options.seed, options.confidence)
        try self.init(
            benchmark: first.benchmark, passName: type(of: benchmark).passName, compared, bootstrap,
            discrepancies: discrepancies, stop: stop
        ) { benchmark.metrics($0) }
    }

    /// The files' names where they differ, otherwise with their folders, or the paths.
    private static func names(_ evaluations: [FinishedEvaluation]) -> [String] {
        for names in [evaluations.map(\.shortName), evaluations.map(\.longName)]
        where Set(names.map { ExactText($0) }).count == names.count { return names }
        return evaluations.map(\.summaryPath)
    }

    private static func discrepancies(_ evaluations: [FinishedEvaluation]) -> [Discrepancy] {
        let tables = evaluations.map { evaluation in
            Dictionary(
                evaluation.comparable.map { (ExactText($0.setting), $0.value) }, uniquingKeysWith: { $1 })
        }
        var seen = Set<ExactText>()
        let settings = evaluations.flatMap { $0.comparable.map { ExactText($0.setting) } }
        return settings.filter { seen.insert($0).inserted }.compactMap { setting in
            let values = tables.map { $0[setting] ?? "none" }
            guard values.contains(where: { !$0.hasSameBytes(as: values[0]) }) else { return nil }
            let texts = values.map { value in
                value.unicodeScalars.count > 60 ? "\(String(value.unicodeScalars.prefix(57)))…" : value
            }
            return Discrepancy(setting: setting.text, values: texts)
        }
    }

    /// The benchmark, whose data must be that of a result.
    private static func benchmark(
        of evaluations: [FinishedEvaluation], data: String?
    ) throws(DamaError) -> any Benchmark {
        let type = try Benchmarks.type(named: evaluations[0].benchmark)
        let data = data ?? evaluations[0].data
        guard Files.isThere(data) else {
            throw .invalidArgument(
                "the folder \(quoted(data)) of \(type.name)'s data is missing; give it with --data (data)")
        }
        let folder = try DataFolder(path: data, benchmark: type.name)
        guard evaluations.contains(where: { $0.settings["benchmark"]?["data"] == folder.identity }) else {
            throw .invalidArgument(
                "\(data) holds other data than \(evaluations[0].summaryPath) was computed with; give the folder of that "
                    + "evaluation")
        }
        let settings = evaluations[0].settings["benchmark"]
        return try type.init(
            folder, BenchmarkSettings(variant: settings?["variant"]?.string, part: settings?["part"]?.string))
    }
}
