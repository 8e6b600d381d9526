import DamaPreference
import DamaSupport

/// The results of a scoring job: α_D of every row and the statistics, in passes that hold one block of rows at a time.
struct ScoreReport: RowReport {
    typealias Task = ScoreTask
    static let hasRunFile = true

    let options: ScoreOptions

    /// A shard may have no rows.
    var needsRows: Bool { options.shard == nil }
    var page: ResultPage? { options.report.map { ResultPage(path: $0, writer: ScorePage.writer) } }
    var settings: [JSONObject.Member] { ScoreOptions.table.values(of: options, .report) }

    func write(
        _ journal: borrowing RowJournal, to output: inout ResultFile, in folder: borrowing ResultFolder,
        checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> ScoreSummary {
        var summary = try summarize(journal, in: folder, checkpoint)
        summary.meanDeltaUsed = options.meanDelta ?? summary.meanDelta
        let isShard = options.shard != nil
        var count = 0
        try journal.forEachRow { outcome throws(DamaError) in
            guard case .done(let bytes) = outcome else { return }
            let row = try StoredRow(decoding: bytes)
            // A shard does not know δ̄ of the whole dataset.
            let alpha = Hardness.alphaData(delta: row.delta, meanDelta: summary.meanDeltaUsed)
            try output.append(row.line(alphaData: isShard ? nil : alpha))
            count += 1
            if count % 1024 == 0 { try checkpoint() }
        }
        return summary
    }

    func json(_ summary: ScoreSummary, output: JSON, rejects: JSON, settings: JSON) -> JSON {
        summary.json(settings: settings, output: output, rejects: rejects)
    }

    func summary(_ json: JSON) -> ScoreSummary? {
        var summary = ScoreSummary(json: json)
        summary?.wasComplete = true
        return summary
    }

    func pageText(_ summary: ScoreSummary) -> String { ScorePage(summary, options).text }

    func runFile(_ progress: JobProgress, _ task: ScoreTask) -> JSON {
        [
            "seconds": .double(progress.seconds),
            "rows_per_second": .double(progress.rowsPerSecond),
            "rows_resumed": .int(Int64(progress.rowsResumed)),
            "images_embedded": .int(Int64(task.counts.imagesEmbedded)),
            "images_from_cache": .int(Int64(task.counts.imagesFound)),
            "sentences_embedded": .int(Int64(task.counts.sentencesEmbedded)),
            "sentences_from_cache": .int(Int64(task.counts.sentencesFound)),
            "workers": .int(Int64(Workers(count: options.rows.workers).count)),
        ]
    }

    // MARK: Statistics

    private func summarize(
        _ journal: borrowing RowJournal, in folder: borrowing ResultFolder, _ checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> ScoreSummary {
        var summary = ScoreSummary(rows: journal.rowCount)
        var deltas = try NumberFile(path: folder.file("deltas"))
        var sum = 0.0
        var belowZero = 0
        try journal.forEachRow { outcome throws(DamaError) in
            switch outcome {
            case .rejected(let line):
                let json = try? JSON(parsing: line)
                summary.rowsRejected += 1
                summary.rejectedByKind[json?["kind"]?.string ?? "", default: 0] += 1
            case .done(let bytes):
                let row = try StoredRow(decoding: bytes)
                summary.rowsScored += 1
                sum += row.delta
                if row.delta < 0 { belowZero += 1 }
                summary.smallestDelta = min(summary.smallestDelta, row.delta)
                summary.largestDelta = max(summary.largestDelta, row.delta)
                summary.chosenSubSentences += row.chosenCount
                summary.rejectedSubSentences += row.rejectedCount
                for flag in row.flags { summary.flags[String(flag), default: 0] += 1 }
                try deltas.append(row.delta)
            }
            if (summary.rowsScored + summary.rowsRejected) % 1024 == 0 { try checkpoint() }
        }
        try deltas.flush()
        summary.rowsBelowZero = belowZero
        guard summary.rowsScored > 0 else {
            (summary.smallestDelta, summary.largestDelta) = (0, 0)
            summary.histogram = Array(repeating: 0, count: 40)
            return summary
        }
        summary.meanDelta = sum / Double(summary.rowsScored)
        summary.quantiles = try OrderStatistics.quantiles(
            ScoreSummary.quantileLevels, count: summary.rowsScored
        ) { visit throws(DamaError) in try deltas.forEach(visit) }
        // The third of the row at a position in the order by δ is 3 · position / count, as in ScoreTable.
        let ranks = [1, 2].map { (summary.rowsScored * $0 + 2) / 3 - 1 }
        summary.thirds = try OrderStatistics.select(ranks: ranks) { visit throws(DamaError) in
            try deltas.forEach(visit)
        }
        // A ratio of scores is unbounded.
        if options.deltaSource == .scores { summary.histogramRange = summary.smallestDelta...summary.largestDelta }
        summary.histogram = try histogram(deltas, summary.histogramRange)
        return summary
    }

    private func histogram(
        _ deltas: borrowing NumberFile, _ range: ClosedRange<Double>
    ) throws(DamaError) -> [Int] {
        var counts = Array(repeating: 0, count: 40)
        let scale = range.upperBound > range.lowerBound ? 40 / (range.upperBound - range.lowerBound) : 0
        try deltas.forEach { delta in
            let bin = ((delta - range.lowerBound) * scale).clamped(to: 0...39)
            counts[bin.isNaN ? 0 : Int(bin)] += 1
        }
        return counts
    }
}
