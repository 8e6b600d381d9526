import CDama
import Dama

/// The caller's callback for the progress of a training job.
struct TrainListener {
    let callback: dama_train_callback?
    let user: UnsafeMutableRawPointer?

    /// Calls it.
    ///
    /// - Throws: ``DamaError/cancelled``, or an error with the status that the callback returned.
    func hear(_ event: TrainEvent) throws(DamaError) {
        guard callback != nil else { return }
        let status: dama_status
        switch event {
        case .reference(let progress):
            status = withUnsafePointer(to: dama_progress(progress)) { reference in
                tell(DAMA_TRAIN_REFERENCE) { $0.reference = reference }
            }
        case .notice(let line):
            status = line.withCString { notice in tell(DAMA_TRAIN_NOTICE) { $0.notice = notice } }
        case .progress(let progress):
            var metrics = progress.metrics.map { dama_step_metrics($0) } ?? dama_step_metrics()
            metrics.struct_size = UInt32(MemoryLayout<dama_step_metrics>.size)
            status = withUnsafePointer(to: metrics) { metrics in
                tell(DAMA_TRAIN_BATCH) {
                    $0.metrics = progress.metrics == nil ? nil : metrics
                    $0.batch = UInt64(progress.batch)
                    $0.batches = UInt64(progress.batches)
                    $0.epoch = UInt64(progress.epoch)
                    $0.seconds = progress.seconds
                    $0.batches_per_second = progress.batchesPerSecond
                    $0.seconds_left = progress.secondsLeft ?? .nan
                }
            }
        }
        guard status == DAMA_OK else { throw .stopped(by: status) }
    }

    private func tell(_ event: dama_train_event, _ fill: (inout dama_train_progress) -> Void) -> dama_status {
        guard let callback else { return DAMA_OK }
        var told = dama_train_progress()
        told.struct_size = UInt32(MemoryLayout<dama_train_progress>.size)
        told.event = event
        fill(&told)
        return callback(&told, user)
    }
}
