import CDama
import Dama

// Shared by the jobs over datasets.

/// Passes a job's progress to the caller's callback, which may stop the job. A cancellation stops it between the runs
/// of a model.
///
/// - Throws: ``DamaError/cancelled`` if it is already cancelled.
func observer(
    _ callback: dama_progress_callback?, _ user: UnsafeMutableRawPointer?, _ cancellation: OpaquePointer?
) throws -> (JobProgress) throws(DamaError) -> Void {
    let signal = try Cancellation.signal(cancellation)
    return { progress throws(DamaError) in
        try signal.check()
        guard let callback else { return }
        var told = dama_progress(progress)
        let status = callback(&told, user)
        guard status == DAMA_OK else { throw .stopped(by: status) }
    }
}

extension dama_progress {
    init(_ progress: JobProgress) {
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
    /// The error with the status that a callback returned, which the call then returns.
    static func stopped(by status: dama_status) -> DamaError {
        guard let code = Code.allCases.first(where: { $0.status == status }), code != .cancelled else {
            return .cancelled
        }
        return DamaError(code, "stopped because a callback returned the status \(status.rawValue)")
    }
}
