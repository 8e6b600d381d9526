import CDama
import Dama

extension dama_generate_dataset_options {
    fileprivate static var defaults: Self {
        Self(GenerateOptions.table, GenerateOptions(data: "", output: ""))
    }

    fileprivate func swift() throws -> GenerateOptions {
        var options = GenerateOptions(data: "", output: "")
        try read(GenerateOptions.table, into: &options)
        guard let generation else { return options }
        let given = try readStruct(generation, "options.generation", defaults: defaultGeneration())
        options.generation = try given.swift()
        options.stop = try strings(given.stop, given.stop_count, "options.generation.stop")
        return options
    }
}

extension dama_generate_dataset_result {
    fileprivate init(_ summary: LineJobSummary) {
        self.init()
        was_complete = summary.wasComplete ? 1 : 0
        rows = UInt64(summary.rows)
        rows_rejected = UInt64(summary.rowsRejected)
        rows_cut = UInt64(summary.rowsCut)
    }
}

@c @implementation
public func dama_generate_dataset_options_init_sized(
    _ options: UnsafeMutablePointer<dama_generate_dataset_options>?, _ size: Int
) {
    initStruct(options, size, .defaults)
}

@c @implementation
public func dama_generate_dataset_result_init_sized(
    _ result: UnsafeMutablePointer<dama_generate_dataset_result>?, _ size: Int
) {
    initStruct(result, size, dama_generate_dataset_result())
}

@c @implementation
public func dama_generate_dataset(
    _ policy: OpaquePointer?, _ options: UnsafePointer<dama_generate_dataset_options>?,
    _ result: UnsafeMutablePointer<dama_generate_dataset_result>?, _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let policy = try PolicyHandle.from(policy).policy
        let given = try readStruct(try require(options, "options"), "options", defaults: .defaults)
        try writeStruct(to: result, "result") {
            dama_generate_dataset_result(
                try GenerateJob(try given.swift(), policy: policy).run(
                    run: Cancellation.run(cancellation, policy.makeRunOptions),
                    observer: observer(given.progress, given.user, cancellation)))
        }
    }
}
