import CDama
import Dama

extension dama_reference_dataset_options {
    fileprivate static var defaults: Self {
        Self(ReferenceOptions.table, ReferenceOptions(data: "", output: ""))
    }
}

extension dama_reference_dataset_result {
    fileprivate init(_ summary: LineJobSummary) {
        self.init()
        was_complete = summary.wasComplete ? 1 : 0
        rows = UInt64(summary.rows)
        rows_rejected = UInt64(summary.rowsRejected)
        rows_cut = UInt64(summary.rowsCut)
    }
}

@c @implementation
public func dama_reference_dataset_options_init_sized(
    _ options: UnsafeMutablePointer<dama_reference_dataset_options>?, _ size: Int
) {
    initStruct(options, size, .defaults)
}

@c @implementation
public func dama_reference_dataset_result_init_sized(
    _ result: UnsafeMutablePointer<dama_reference_dataset_result>?, _ size: Int
) {
    initStruct(result, size, dama_reference_dataset_result())
}

@c @implementation
public func dama_reference_dataset(
    _ policy: OpaquePointer?, _ options: UnsafePointer<dama_reference_dataset_options>?,
    _ result: UnsafeMutablePointer<dama_reference_dataset_result>?, _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let policy = try PolicyHandle.from(policy).policy
        let given = try readStruct(try require(options, "options"), "options", defaults: .defaults)
        var options = ReferenceOptions(data: "", output: "")
        try given.read(ReferenceOptions.table, into: &options)
        try writeStruct(to: result, "result") {
            dama_reference_dataset_result(
                try ReferenceJob(options, policy: policy).run(
                    run: Cancellation.run(cancellation, policy.makeRunOptions),
                    observer: observer(given.progress, given.user, cancellation)))
        }
    }
}
