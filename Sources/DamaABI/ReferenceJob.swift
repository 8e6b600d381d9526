import CDama
import Dama

extension dama_reference_dataset_options {
    /// The first version of the struct; later fields come after it.
    fileprivate static let firstSize = MemoryLayout<Self>.size

    fileprivate static var defaults: Self {
        let it = ReferenceOptions(data: "", output: "")
        var options = Self()
        options.struct_size = UInt32(MemoryLayout<Self>.size)
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
        return options
    }
}

extension dama_reference_dataset_result {
    fileprivate static let firstSize = MemoryLayout<Self>.size

    fileprivate init(_ summary: LineJobSummary) {
        self.init()
        struct_size = UInt32(MemoryLayout<Self>.size)
        was_complete = summary.wasComplete ? 1 : 0
        rows = UInt64(summary.rows)
        rows_rejected = UInt64(summary.rowsRejected)
        rows_cut = UInt64(summary.rowsCut)
    }
}

@c @implementation
public func dama_reference_dataset_options_init(_ options: UnsafeMutablePointer<dama_reference_dataset_options>?) {
    options?.pointee = .defaults
}

@c @implementation
public func dama_reference_dataset_result_init(_ result: UnsafeMutablePointer<dama_reference_dataset_result>?) {
    var empty = dama_reference_dataset_result()
    empty.struct_size = UInt32(MemoryLayout<dama_reference_dataset_result>.size)
    result?.pointee = empty
}

@c @implementation
public func dama_reference_dataset(
    _ policy: OpaquePointer?, _ options: UnsafePointer<dama_reference_dataset_options>?,
    _ result: UnsafeMutablePointer<dama_reference_dataset_result>?
) -> dama_status {
    guarded {
        let policy = try PolicyHandle.from(policy).policy
        let given = try readStruct(
            try require(options, "options"), "options", minimum: dama_reference_dataset_options.firstSize,
            defaults: .defaults, initializer: "dama_reference_dataset_options_init()")
        // Before hours of work, not after them.
        if let result {
            try checkedStructSize(
                UnsafePointer(result), "result", minimum: dama_reference_dataset_result.firstSize,
                initializer: "dama_reference_dataset_result_init()")
        }
        let summary = try ReferenceJob(try given.swift(), policy: policy)
            .run(observer: observer(given.progress, given.user))
        if let result {
            try writeStruct(
                dama_reference_dataset_result(summary), to: result, "result",
                minimum: dama_reference_dataset_result.firstSize,
                initializer: "dama_reference_dataset_result_init()")
        }
    }
}
