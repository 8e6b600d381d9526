import DamaSupport

/// The result of a job that writes one line per row.
public struct LineJobSummary: Equatable, Sendable {
    public var rows: Int
    public var rowsRejected: Int
    /// Rows with a response that was cut, or that ended, at a length limit.
    public var rowsCut: Int
    /// Whether an earlier run had already finished the job.
    public var wasComplete = false
}

extension RowOutcome {
    /// A row's line of output, without its line feed, for a ``LineReport``.
    static func line(_ line: [UInt8], isCut: Bool) -> RowOutcome { .done([isCut ? 1 : 0] + line) }
}

/// The results of a job that writes one line per row: its outcomes are ``RowOutcome/line(_:isCut:)`` and rejected rows.
struct LineReport<Task: RowTask>: RowReport {
    /// Whether the lines are the elements of one JSON array.
    var isArray = false
    var needsRows = true

    func write(
        _ journal: borrowing RowJournal, to output: inout ResultFile, in folder: borrowing ResultFolder,
        checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> LineJobSummary {
        var summary = LineJobSummary(rows: journal.rowCount, rowsRejected: journal.rejectedCount, rowsCut: 0)
        var isFirst = true
        try journal.forEachRow { outcome throws(DamaError) in
            guard case .done(let stored) = outcome else { return }
            summary.rowsCut += stored.first == 1 ? 1 : 0
            if isArray { try output.append(Array((isFirst ? "[" : ",\n").utf8)) }
            isFirst = false
            try output.append(Array(stored.dropFirst()))
            if !isArray { try output.append([UInt8(ascii: "\n")]) }
        }
        if isArray { try output.append(Array("]\n".utf8)) }
        return summary
    }

    func json(_ summary: LineJobSummary, output: JSON, rejects: JSON, settings: JSON) -> JSON {
        [
            "rows": .int(Int64(summary.rows)), "rows_rejected": .int(Int64(summary.rowsRejected)),
            "rows_cut": .int(Int64(summary.rowsCut)), "output": output, "rejects": rejects, "settings": settings,
        ]
    }

    func summary(_ json: JSON) -> LineJobSummary? {
        guard let rows = json["rows"]?.int, let rejected = json["rows_rejected"]?.int, let cut = json["rows_cut"]?.int,
            min(rows, rejected, cut) >= 0
        else { return nil }
        return LineJobSummary(rows: rows, rowsRejected: rejected, rowsCut: cut, wasComplete: true)
    }
}
