import CDama
import Dama

extension dama_reference_dataset_options {
    fileprivate static var defaults: Self {
        let it = ReferenceOptions(data: "", output: "")
        var options = Self()
        options.format = DAMA_REFERENCE_FULL
        options.max_rejected = -1
        options.block_rows = UInt32(it.rows.blockRows)
        options.row_limit = it.rows.rowLimit
        options.image_limit = it.imageByteLimit
        return options
    }

    fileprivate func swift() throws -> ReferenceOptions {
        var options = ReferenceOptions(data: try string(data, "data"), output: try string(output, "output"))
        try options.rows.fill(
            maxRejected: max_rejected, restart: restart, workers: workers, blockRows: block_rows, rowLimit: row_limit)
        switch format {
        case DAMA_REFERENCE_FULL: options.format = .full
        case DAMA_REFERENCE_LOGPS: options.format = .logps
        default: throw DamaError.invalidArgument("format \(format.rawValue) is unknown")
        }
        if image_root != nil { options.imageRoot = try string(image_root, "image_root") }
        options.fields = try FieldNames(fields, field_count)
        options.imageByteLimit = image_limit
        options.followsLinks = follow_links != 0
        try requireZero(reserved)
        return options
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
    _ result: UnsafeMutablePointer<dama_reference_dataset_result>?
) -> dama_status {
    guarded {
        let policy = try PolicyHandle.from(policy).policy
        let given = try readStruct(try require(options, "options"), "options", defaults: .defaults)
        // Before hours of work, not after them.
        if let result { try checkedStructSize(UnsafePointer(result), "result") }
        let summary = try ReferenceJob(try given.swift(), policy: policy)
            .run(observer: observer(given.progress, given.user))
        if let result { try writeStruct(dama_reference_dataset_result(summary), to: result, "result") }
    }
}
