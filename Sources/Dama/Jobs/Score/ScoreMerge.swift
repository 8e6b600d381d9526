import DamaSupport

/// Joins the shards of a scoring job: δ̄, α_D and the statistics of all rows, which no shard knows.
///
/// ```swift
/// for index in 0..<4 {
///     options.shard = Shard(index: index, count: 4)
///     try ScoreJob(options, encoder: encoder).run()
/// }
/// let summary = try ScoreMerge(output: options.output).run()
/// ```
///
/// The output, the rejects and the summary are byte for byte those of one ``ScoreJob`` over all rows with the same
/// options, on machines whose models compute the same bits. Memory does not grow with the number of rows. A merge that
/// was stopped or killed resumes when it is run again.
public struct ScoreMerge: Sendable {
    /// The output of the whole, as the options of each shard name it.
    public var output: String
    /// The outputs of the shards, in any order; empty for those beside the output, by their names.
    public var shards: [String]
    /// Replaces the output of an earlier job.
    public var restart: Bool
    /// Rows that are copied together; at most these are copied again when the merge is resumed.
    var blockRows = 4096

    public init(output: String, shards: [String] = [], restart: Bool = false) {
        self.output = output
        self.shards = shards
        self.restart = restart
    }

    /// - Parameter observer: Called with the progress. If it throws, the merge stops.
    /// - Throws: ``DamaError/Code/invalidArgument`` for shards that are missing, double, of other options or of other
    ///   inputs, naming them; ``DamaError/Code/model`` if all rows were rejected; ``DamaError/cancelled`` if it was
    ///   stopped; ``DamaError/Code/io`` for files that cannot be read or written.
    @discardableResult
    public func run(
        observer: @escaping (JobProgress) throws(DamaError) -> Void = { _ in }
    ) throws(DamaError) -> ScoreSummary {
        guard !output.isEmpty else { throw .invalidArgument("the output is missing") }
        var progress = ProgressReporter(observer: observer)
        try progress.report()
        let all = try ShardSet(shards.isEmpty ? Shard.existing(of: output) : shards, output: output)
        let paths = JobPaths(output: output)
        for shard in all.shards { try shard.refuse(as: paths) }
        let folder = try ResultFolder(paths, data: all.shards[0].paths.output, restart: restart)
        let report = ScoreReport(options: all.options(output: output))
        if !folder.isBegun, !restart, let json = try paths.finishedSummary(all.settings) {
            guard let summary = report.summary(json) else { throw paths.changed }
            return summary
        }
        var journal = try RowJournal(path: folder.file("journal"), settings: all.identity)
        try progress.beginComputing(
            rowsTotal: all.rowCount, rowsResumed: journal.rowCount, rowsRejected: journal.rejectedCount)
        try append(all, to: &journal, &progress)
        try progress.beginWriting()
        let job = try RowJob(report.options.rows, report)
        let summary = try job.write(journal, all.settings, in: folder) { () throws(DamaError) in try progress.report() }
        try folder.clear()
        return summary
    }

    /// Copies the outcomes of all shards, in order, behind those that an earlier run has copied.
    private func append(
        _ all: ShardSet, to journal: inout RowJournal, _ progress: inout ProgressReporter
    ) throws(DamaError) {
        var skipped = journal.rowCount
        var block: [RowOutcome] = []
        var byteCount = 0
        func store(
            _ journal: inout RowJournal, _ progress: inout ProgressReporter
        ) throws(DamaError) {
            guard !block.isEmpty else { return }
            let outcome = BlockOutcome(rows: block, state: [], images: Array(repeating: [], count: block.count))
            try journal.append(outcome)
            progress.add(rows: block.count, rejected: outcome.rejectedCount)
            try progress.report()
            block.removeAll(keepingCapacity: true)
            byteCount = 0
        }
        for shard in all.shards {
            try shard.forEachOutcome { outcome, size throws(DamaError) in
                guard skipped == 0 else {
                    skipped -= 1
                    return
                }
                block.append(outcome)
                byteCount += size
                if block.count >= blockRows || byteCount > 16 << 20 { try store(&journal, &progress) }
            }
        }
        try store(&journal, &progress)
        guard journal.rowCount == all.rowCount else {
            throw .invalidArgument(
                "the shards hold \(journal.rowCount) rows, their dataset has \(all.rowCount); score them again")
        }
    }

    /// A shard's settings: those of the whole, and which rows it has.
    static func settings(_ settings: JSON, of shard: Shard, rows: Int) -> JSON {
        .object(
            JSONObject(
                (settings.object?.members ?? []) + [
                    ("shard", .int(Int64(shard.index))), ("shards", .int(Int64(shard.count))),
                    ("dataset_rows", .int(Int64(rows))),
                ]))
    }
}
