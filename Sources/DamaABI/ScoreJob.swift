import CDama
import Dama

extension dama_score_dataset_options {
    /// The first version of the struct; later fields come after it.
    fileprivate static let firstSize = MemoryLayout<Self>.size

    fileprivate static var defaults: Self {
        let it = ScoreOptions(data: "", output: "")
        var options = Self()
        options.struct_size = UInt32(MemoryLayout<Self>.size)
        options.mean_delta = .nan
        options.max_rejected = -1
        options.block_rows = UInt32(it.rows.blockRows)
        options.cache_bytes = it.cacheBytes
        options.row_limit = it.rows.rowLimit
        options.image_limit = it.imageByteLimit
        return options
    }
}

extension dama_score_dataset_result {
    fileprivate static let firstSize = MemoryLayout<Self>.size
}

@c @implementation
public func dama_score_dataset_options_init(_ options: UnsafeMutablePointer<dama_score_dataset_options>?) {
    options?.pointee = .defaults
}

@c @implementation
public func dama_score_dataset_result_init(_ result: UnsafeMutablePointer<dama_score_dataset_result>?) {
    var empty = dama_score_dataset_result()
    empty.struct_size = UInt32(MemoryLayout<dama_score_dataset_result>.size)
    result?.pointee = empty
}

@c @implementation
public func dama_score_dataset(
    _ scorer: OpaquePointer?, _ options: UnsafePointer<dama_score_dataset_options>?,
    _ result: UnsafeMutablePointer<dama_score_dataset_result>?
) -> dama_status {
    guarded {
        let encoder = try DamaABI.scorer(scorer).encoder
        let given = try readStruct(
            try require(options, "options"), "options", minimum: dama_score_dataset_options.firstSize,
            defaults: .defaults, initializer: "dama_score_dataset_options_init()")
        if let result {
            try checkedStructSize(
                UnsafePointer(result), "result", minimum: dama_score_dataset_result.firstSize,
                initializer: "dama_score_dataset_result_init()")
        }
        let job = ScoreJob(try scoreOptions(given), encoder: encoder)
        let summary = try job.run { progress throws(DamaError) in
            guard let callback = given.progress else { return }
            var told = dama_progress(progress)
            let status = callback(&told, given.user)
            guard status == DAMA_OK else { throw .stopped(by: status) }
        }
        if let result {
            try writeStruct(
                dama_score_dataset_result(summary), to: result, "result", minimum: dama_score_dataset_result.firstSize,
                initializer: "dama_score_dataset_result_init()")
        }
    }
}

private func scoreOptions(_ given: dama_score_dataset_options) throws -> ScoreOptions {
    var options = ScoreOptions(
        data: try string(given.data, "data"), output: try string(given.output, "output"))
    switch given.delta_source {
    case DAMA_DELTA_FROM_PROBABILITIES: options.deltaSource = .probabilities
    case DAMA_DELTA_FROM_SCORES: options.deltaSource = .scores
    default: throw DamaError.invalidArgument("delta_source \(given.delta_source.rawValue) is unknown")
    }
    if given.image_root != nil { options.imageRoot = try string(given.image_root, "image_root") }
    if !given.mean_delta.isNaN { options.meanDelta = given.mean_delta }
    let fields = try buffer(given.fields, given.field_count, "fields")
    options.fields = try FieldNames(
        mappings: fields.enumerated().map { try string($1, "fields[\($0)]") })
    guard given.max_rejected >= -1 else {
        throw DamaError.invalidArgument(
            "max_rejected is \(given.max_rejected); expected −1 for no limit, or a number of rows")
    }
    options.rows.maximumRejected = given.max_rejected < 0 ? nil : Int(given.max_rejected)
    options.rows.restart = given.restart != 0
    options.rows.workers = Int(given.workers)
    options.rows.blockRows = Int(given.block_rows)
    options.cacheBytes = given.cache_bytes
    options.rows.rowLimit = given.row_limit
    options.imageByteLimit = given.image_limit
    return options
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

extension dama_score_dataset_result {
    fileprivate init(_ summary: ScoreSummary) {
        self.init()
        struct_size = UInt32(MemoryLayout<Self>.size)
        was_complete = summary.wasComplete ? 1 : 0
        rows = UInt64(summary.rows)
        rows_scored = UInt64(summary.rowsScored)
        rows_rejected = UInt64(summary.rowsRejected)
        mean_delta = summary.meanDelta
        mean_delta_used = summary.meanDeltaUsed
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
