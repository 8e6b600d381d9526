import CDama
import Dama

extension dama_evaluate_options {
    private static var standard: EvaluateOptions {
        EvaluateOptions(benchmark: "", responses: "", data: "", output: "")
    }

    fileprivate static var defaults: Self { Self(EvaluateOptions.table, standard) }

    fileprivate func swift(_ judge: JudgeHandle?) throws -> EvaluateOptions {
        var options = Self.standard
        try read(EvaluateOptions.table, into: &options)
        // With fewer threads the judge would be asked less often than it may be.
        if let judge, options.workers == 0 { options.workers = judge.concurrency }
        return options
    }
}

extension dama_evaluate_result {
    fileprivate init(_ summary: EvaluateSummary) {
        self.init()
        was_complete = summary.wasComplete ? 1 : 0
        questions = UInt64(summary.questions)
        answered = UInt64(summary.answered)
        missing = UInt64(summary.missing)
        empty = UInt64(summary.empty)
        rows_rejected = UInt64(summary.rowsRejected)
    }
}

@c @implementation
public func dama_evaluate_options_init_sized(_ options: UnsafeMutablePointer<dama_evaluate_options>?, _ size: Int) {
    initStruct(options, size, .defaults)
}

@c @implementation
public func dama_evaluate_result_init_sized(_ result: UnsafeMutablePointer<dama_evaluate_result>?, _ size: Int) {
    initStruct(result, size, dama_evaluate_result())
}

@c @implementation
public func dama_evaluate(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ options: UnsafePointer<dama_evaluate_options>?,
    _ result: UnsafeMutablePointer<dama_evaluate_result>?, _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let given = try readStruct(try require(options, "options"), "options", defaults: .defaults)
        let judge = JudgeHandle.from(given.judge)
        let job = EvaluateJob(try given.swift(judge), judge: judge?.judge)
        var metrics: [EvaluationMetric] = []
        try writeStruct(to: result, "result") {
            let summary = try job.run(observer: observer(given.progress, given.user, cancellation))
            metrics = summary.values
            return dama_evaluate_result(summary)
        }
        out?.pointee = MetricsHandle(metrics).handle
    }
}

@c @implementation
public func dama_evaluate_benchmarks(_ out: UnsafeMutablePointer<OpaquePointer?>?) -> dama_status {
    guarded { try require(out, "out").pointee = Strings(EvaluationData.benchmarks).handle }
}

@c @implementation
public func dama_evaluate_questions(
    _ benchmark: UnsafePointer<CChar>?, _ data: UnsafePointer<CChar>?, _ part: UnsafePointer<CChar>?,
    _ output: UnsafePointer<CChar>?, _ count: UnsafeMutablePointer<UInt64>?
) -> dama_status {
    guarded {
        let written = try EvaluationQuestions.write(
            benchmark: try string(benchmark, "benchmark"), data: try string(data, "data"),
            part: try part.map { try string($0, "part") }, to: try string(output, "output"))
        count?.pointee = UInt64(written)
    }
}
