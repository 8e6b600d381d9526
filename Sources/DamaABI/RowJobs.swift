import CDama
import Dama

// What the jobs over datasets have in common.

extension RowJobOptions {
    /// The fields that every job's options have.
    mutating func fill(
        maxRejected: Int64, restart: Int32, workers: UInt32, blockRows: UInt32, rowLimit: Int
    ) throws {
        guard maxRejected >= -1 else {
            throw DamaError.invalidArgument(
                "max_rejected is \(maxRejected); expected −1 for no limit, or a number of rows")
        }
        maximumRejected = maxRejected < 0 ? nil : Int(maxRejected)
        self.restart = restart != 0
        self.workers = Int(workers)
        self.blockRows = Int(blockRows)
        self.rowLimit = rowLimit
    }
}

extension FieldNames {
    init(_ fields: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int) throws {
        self = try FieldNames(mappings: strings(fields, count, "fields"))
    }
}

/// Tells a job's progress to the caller, who may stop it.
func observer(
    _ callback: dama_progress_callback?, _ user: UnsafeMutableRawPointer?
) -> (JobProgress) throws(DamaError) -> Void {
    { progress throws(DamaError) in
        guard let callback else { return }
        var told = dama_progress(progress)
        let status = callback(&told, user)
        guard status == DAMA_OK else { throw .stopped(by: status) }
    }
}

extension dama_progress {
    fileprivate init(_ progress: JobProgress) {
        self.init()
        struct_size = UInt32(MemoryLayout<Self>.size)
        phase = dama_phase(UInt32(progress.phase.rawValue))
        rows_done = UInt64(progress.rowsDone)
        rows_total = UInt64(progress.rowsTotal)
        rows_rejected = UInt64(progress.rowsRejected)
        rows_resumed = UInt64(progress.rowsResumed)
        seconds = progress.seconds
        rows_per_second = progress.rowsPerSecond
        seconds_left = progress.secondsLeft ?? .nan
    }
}

extension DamaError {
    /// A callback's own status is what the call returns.
    static func stopped(by status: dama_status) -> DamaError {
        guard let code = Code.allCases.first(where: { $0.status == status }), code != .cancelled else {
            return .cancelled
        }
        return DamaError(code, "stopped because a callback returned the status \(status.rawValue)")
    }
}
