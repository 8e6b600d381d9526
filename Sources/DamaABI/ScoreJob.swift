import CDama
import Dama

extension dama_score_dataset_options {
    fileprivate static var defaults: Self { Self(ScoreOptions.table, ScoreOptions(data: "", output: "")) }
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
    _ result: UnsafeMutablePointer<dama_score_dataset_result>?, _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let encoder = try DamaABI.scorer(scorer).encoder
        let given = try readStruct(try require(options, "options"), "options", defaults: .defaults)
        var options = ScoreOptions(data: "", output: "")
        try given.read(ScoreOptions.table, into: &options)
        let job = ScoreJob(options, encoder: encoder, splitter: try SplitterHandle.named(by: given.splitter))
        try writeStruct(to: result, "result") {
            dama_score_dataset_result(
                try job.run(
                    run: Cancellation.run(cancellation, encoder.makeRunOptions),
                    observer: observer(given.progress, given.user, cancellation)))
        }
    }
}

extension dama_merge_scores_options {
    fileprivate static var defaults: Self { Self() }
}

@c @implementation
public func dama_merge_scores_options_init_sized(
    _ options: UnsafeMutablePointer<dama_merge_scores_options>?, _ size: Int
) {
    initStruct(options, size, .defaults)
}

@c @implementation
public func dama_merge_scores(
    _ options: UnsafePointer<dama_merge_scores_options>?, _ result: UnsafeMutablePointer<dama_score_dataset_result>?,
    _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let given = try readStruct(try require(options, "options"), "options", defaults: .defaults)
        let merge = ScoreMerge(
            output: try string(given.output, "output"),
            shards: try strings(given.shards, given.shard_count, "shards"), restart: given.restart != 0)
        try writeStruct(to: result, "result") {
            dama_score_dataset_result(try merge.run(observer: observer(given.progress, given.user, cancellation)))
        }
    }
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
