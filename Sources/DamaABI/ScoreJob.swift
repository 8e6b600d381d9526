import CDama
import Dama

extension dama_score_dataset_options {
    fileprivate static var defaults: Self {
        let it = ScoreOptions(data: "", output: "")
        var options = Self()
        options.mean_delta = .nan
        options.max_rejected = -1
        options.block_rows = UInt32(it.rows.blockRows)
        options.cache_bytes = it.cacheBytes
        options.row_limit = it.rows.rowLimit
        options.image_limit = it.imageByteLimit
        return options
    }
}

@c @implementation
public func dama_score_dataset_options_init_sized(
    _ options: UnsafeMutablePointer<dama_score_dataset_options>?, _ size: Int
) {
    initStruct(options, size, .defaults)
}

@c @implementation
public func dama_score_dataset_result_init_sized(
    _ result: UnsafeMutablePointer<dama_score_dataset_result>?, _ size: Int
) {
    initStruct(result, size, dama_score_dataset_result())
}

@c @implementation
public func dama_score_dataset(
    _ scorer: OpaquePointer?, _ options: UnsafePointer<dama_score_dataset_options>?,
    _ result: UnsafeMutablePointer<dama_score_dataset_result>?
) -> dama_status {
    guarded {
        let encoder = try DamaABI.scorer(scorer).encoder
        let given = try readStruct(try require(options, "options"), "options", defaults: .defaults)
        // Before hours of work, not after them.
        if let result { try checkedStructSize(UnsafePointer(result), "result") }
        let job = ScoreJob(try scoreOptions(given), encoder: encoder)
        let summary = try job.run(observer: observer(given.progress, given.user))
        if let result { try writeStruct(dama_score_dataset_result(summary), to: result, "result") }
    }
}

private func scoreOptions(_ given: dama_score_dataset_options) throws -> ScoreOptions {
    var options = ScoreOptions(
        data: try string(given.data, "data"), output: try string(given.output, "output"))
    try options.rows.fill(
        maxRejected: given.max_rejected, restart: given.restart, workers: given.workers, blockRows: given.block_rows,
        rowLimit: given.row_limit)
    options.deltaSource = try .init(given.delta_source)
    if given.image_root != nil { options.imageRoot = try string(given.image_root, "image_root") }
    if !given.mean_delta.isNaN { options.meanDelta = given.mean_delta }
    options.fields = try FieldNames(given.fields, given.field_count)
    options.cacheBytes = given.cache_bytes
    options.imageByteLimit = given.image_limit
    options.followsLinks = given.follow_links != 0
    try requireZero(given.reserved)
    return options
}

extension dama_score_dataset_result {
    fileprivate init(_ summary: ScoreSummary) {
        self.init()
        was_complete = summary.wasComplete ? 1 : 0
        rows = UInt64(summary.rows)
        rows_scored = UInt64(summary.rowsScored)
        rows_rejected = UInt64(summary.rowsRejected)
        mean_delta = summary.meanDelta
        mean_delta_used = summary.meanDeltaUsed
    }
}
