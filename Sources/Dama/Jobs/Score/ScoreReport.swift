import DamaPreference
import DamaSupport

/// The end of a scoring job: from the journal to the files, in passes that hold a block of rows at a time.
struct ScoreReport {
    let options: ScoreOptions
    let settings: JSON

    /// Writes the output, the rejects and the summary.
    func write(
        _ journal: borrowing RowJournal, in folder: borrowing ResultFolder,
        checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> ScoreSummary {
        let paths = folder.paths
        let rejects = try rejectsFile(journal, in: folder)
        var summary = try summarize(journal, in: folder, checkpoint)
        summary.meanDeltaUsed = options.meanDelta ?? summary.meanDelta
        var output = try ResultFile("output", in: folder)
        var count = 0
        try journal.forEachRow { outcome throws(DamaError) in
            guard case .done(let bytes) = outcome else { return }
            let row = try StoredRow(decoding: bytes)
            try output.append(
                row.line(alphaData: Hardness.alphaData(delta: row.delta, meanDelta: summary.meanDeltaUsed)))
            count += 1
            if count % 1024 == 0 { try checkpoint() }
        }
        let description = try output.seal()
        var file = try ResultFile("summary", in: folder)
        let json = summary.json(settings: settings, output: description, rejects: rejects)
        try file.append(Array(json.text.utf8) + [0x0A])
        try folder.place([
            ("rejects", paths.rejects, rejects), ("output", paths.output, description),
            ("summary", paths.summary, try file.seal()),
        ])
        return summary
    }

    /// Writes the rows rejected so far, with line and reason, to their place.
    func writeRejects(_ journal: borrowing RowJournal, in folder: borrowing ResultFolder) throws(DamaError) {
        try folder.place([("rejects", folder.paths.rejects, try rejectsFile(journal, in: folder))])
    }

    private func rejectsFile(
        _ journal: borrowing RowJournal, in folder: borrowing ResultFolder
    ) throws(DamaError) -> JSON {
        var file = try ResultFile("rejects", in: folder)
        try journal.forEachRow { outcome throws(DamaError) in
            if case .rejected(let line) = outcome { try file.append(line + [0x0A]) }
        }
        return try file.seal()
    }

    // MARK: Statistics

    private func summarize(
        _ journal: borrowing RowJournal, in folder: borrowing ResultFolder, _ checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> ScoreSummary {
        var summary = ScoreSummary(rows: journal.rowCount)
        var deltas = try NumberFile(path: folder.file("deltas"))
        var sum = 0.0
        var firstReason = ""
        try journal.forEachRow { outcome throws(DamaError) in
            switch outcome {
            case .rejected(let line):
                let json = try? JSON(parsing: line)
                summary.rowsRejected += 1
                summary.rejectedByKind[json?["kind"]?.string ?? "", default: 0] += 1
                if firstReason.isEmpty { firstReason = json?["reason"]?.string ?? "" }
            case .done(let bytes):
                let row = try StoredRow(decoding: bytes)
                summary.rowsScored += 1
                sum += row.delta
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
        guard summary.rowsScored > 0 else {
            throw .model(
                "none of the \(summary.rows) rows could be scored; see \(folder.paths.rejects), which begins: \(firstReason)"
            )
        }
        summary.meanDelta = sum / Double(summary.rowsScored)
        summary.quantiles = try OrderStatistics.quantiles(
            ScoreSummary.quantileLevels, count: summary.rowsScored
        ) { visit throws(DamaError) in try deltas.forEach(visit) }
        // A ratio of scores has no bounds of its own.
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
