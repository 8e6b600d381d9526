import DamaSupport

extension RowJobOptions {
    /// The settings of every job over rows, under the names of the C ABI.
    static let table = SettingsTable<Self>([
        .text("data", \.data, missing: "the dataset is missing"),
        .text("output", \.output, missing: "the output is missing"),
        .optionalText("image_root", \.imageRoot),
        .bool("follow_links", \.followsLinks),
        fieldsSetting,
        formatSetting,
        .int("block_rows", \.blockRows, in: 1...4096),
        .int("row_limit", \.rowLimit, in: 1...(.max)),
        .int("image_limit", \.imageByteLimit, in: 1...(.max)),
        .int("workers", \.workers, in: 0...(.max), effect: .none),
        .optionalInt("max_rejected", \.maximumRejected, in: 0...(.max), effect: .none),
        .bool("restart", \.restart, effect: .none),
    ])

    private static let fieldsSetting = Setting<Self>(
        "fields",
        read: { (root, reader, name) throws(DamaError) in
            guard let mappings = try reader.strings(name) else { return }
            let format = root.fields.format
            root.fields = try FieldNames(mappings: mappings)
            root.fields.format = format
        },
        write: { $0.fields.json })

    /// `null` for rows of any form, so that jobs without a format keep their identity.
    private static let formatSetting = Setting<Self>(
        "data_format",
        read: { (root, reader, name) throws(DamaError) in
            guard reader.has(name) else { return }
            guard let format = RowFormat(rawValue: try reader.string(name)) else {
                throw reader.wrong(name, "one of \(RowFormat.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            root.fields.format = format
        },
        write: { $0.fields.format == .automatic ? .null : .string($0.fields.format.rawValue) })
}

extension RowJobSettings {
    /// A job's own settings, merged with those of every job over rows.
    ///
    /// - Parameters:
    ///   - own: Settings that come before `fields` in files.
    ///   - last: Settings that come last in files.
    static func table(_ own: [Setting<Self>], last: [Setting<Self>] = []) -> SettingsTable<Self> {
        let shared = RowJobOptions.table.lifted(\Self.rows)
        let split = shared.firstIndex { $0.name == "fields" } ?? shared.endIndex
        return SettingsTable(shared[..<split] + own + shared[split...] + last)
    }
}

extension JSON {
    /// Everything that the outcomes of a job's rows depend on: a job resumes only if all of it is equal.
    static func settings<Options: RowJobSettings>(
        job: String, _ contents: DatasetContents, _ models: KeyValuePairs<String, JSON>,
        _ table: SettingsTable<Options>, _ options: Options, _ root: ImageRoot?
    ) -> JSON {
        var members: [JSONObject.Member] = [
            ("job", .string(job)), ("format", 1), ("input", .string(contents.sha256)),
            ("input_bytes", .int(Int64(contents.byteCount))),
        ]
        members += models.map { ($0.key, $0.value) }
        if let root { members.append(("image_root", .string(root.path))) }
        members += table.values(of: options, .results)
        return .object(JSONObject(members))
    }
}
