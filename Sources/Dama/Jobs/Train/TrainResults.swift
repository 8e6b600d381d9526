import DamaPreference
import DamaSupport
import DamaTraining

/// The logs of a training job: metrics.jsonl, pairs.jsonl and the event files for TensorBoard.
struct TrainResults {
    private let metrics: MetricsLog
    private let pairs: MetricsLog?
    private let events: EventFileWriter?

    /// - Parameter batch: The batch of the checkpoint that the run goes on from; lines of later ones are cut off.
    init(_ options: TrainOptions, _ paths: TrainPaths, after batch: Int) throws(DamaError) {
        metrics = try MetricsLog(path: paths.metrics, after: batch)
        pairs = options.logsPairs ? try MetricsLog(path: paths.pairs, after: batch) : nil
        events =
            options.writesTensorBoard
            ? try EventFileWriter(directory: paths.tensorBoard, resumingAt: batch > 0 ? batch + 1 : nil) : nil
    }

    /// Synchronises the lines so far to disk, before a checkpoint that depends on them.
    func synchronize() throws(DamaError) {
        try metrics.synchronize()
        try pairs?.synchronize()
    }

    /// - Parameter ids: Those of the batch's pairs.
    func add(
        _ found: StepMetrics, _ step: AdaptiveBeta.Step?, batch: Int, epoch: Int, ids: [JSON]
    ) throws(DamaError) {
        try metrics.append(found.json(batch: batch, epoch: epoch))
        if let pairs, let step { try pairs.append(step.json(batch: batch, found.step, ids: ids)) }
        try events?.add(step: batch, scalars: found.scalars)
    }

    func add(_ found: HeldOutMetrics, step: UInt64, batch: Int) throws(DamaError) {
        try metrics.append([
            "step": .int(Int64(clamping: step)), "batch": .int(Int64(batch)), "eval": found.json,
        ])
        try events?.add(step: batch, scalars: found.scalars)
    }
}
