import DamaSupport

/// All finished shards of one job, in order.
struct ShardSet {
    let shards: [FinishedShard]
    /// The settings of the job over all rows.
    let settings: JSON
    /// Rows of the dataset.
    let rowCount: Int

    /// - Throws: ``DamaError/Code/invalidArgument`` unless `paths` are all shards of one job.
    init(_ paths: [String], output: String) throws(DamaError) {
        var found: [FinishedShard] = []
        for path in paths { found.append(try FinishedShard(path)) }
        guard let first = found.first else {
            throw .invalidArgument(
                "there are no shards beside \(output), such as \(Shard(index: 0, count: 2).path(of: output)); score them "
                    + "with this output and a shard, or name their files")
        }
        var byIndex: [Int: FinishedShard] = [:]
        for shard in found {
            let differences = settingsDifferences(shard.settings, first.settings)
            guard differences.isEmpty else {
                throw .invalidArgument(
                    "\(shard.paths.output) has \(differences.joined(separator: "; ")), as \(first.paths.output) has: they "
                        + "are shards of different jobs")
            }
            guard shard.shard.count == first.shard.count else {
                throw .invalidArgument(
                    "\(shard.paths.output) is one of \(shard.shard.count) shards, \(first.paths.output) one of "
                        + "\(first.shard.count); name the shards of one job")
            }
            if let other = byIndex.updateValue(shard, forKey: shard.shard.index) {
                throw .invalidArgument(
                    "\(other.paths.output) and \(shard.paths.output) are both shard \(shard.shard.index) of "
                        + "\(shard.shard.count); name it once")
            }
        }
        let missing = (0..<first.shard.count).filter { byIndex[$0] == nil }
        guard missing.isEmpty else {
            let names = missing.prefix(20).map(String.init).joined(separator: ", ")
            throw .invalidArgument(
                "of \(first.shard.count) shards \(missing.count == 1 ? "this is" : "these are") missing: \(names)"
                    + "\(missing.count > 20 ? ", …" : ""); finish \(missing.count == 1 ? "it" : "them") first")
        }
        shards = byIndex.sorted { $0.key < $1.key }.map(\.value)
        settings = first.settings
        rowCount = first.datasetRows
    }

    /// Identifies an unfinished merge: the settings and the shards' contents.
    var identity: JSON {
        var members = settings.object?.members ?? []
        members.append(("merge", .array(shards.map(\.contents))))
        return .object(JSONObject(members))
    }

    /// What ``ScoreReport`` reads.
    func options(output: String) -> ScoreOptions {
        var options = ScoreOptions(data: shards[0].paths.output, output: output)
        if settings["delta"]?.string == ScoreOptions.DeltaSource.scores.rawValue { options.deltaSource = .scores }
        options.meanDelta = settings["mean_delta"]?.double
        return options
    }
}

/// The files of a finished shard.
struct FinishedShard {
    let paths: JobPaths
    let shard: Shard
    /// The settings that all shards of a job share.
    let settings: JSON
    let datasetRows: Int
    /// The descriptions of output and rejects.
    let contents: JSON

    private static let own = ["shard", "shards", "dataset_rows"]

    /// - Throws: ``DamaError/Code/invalidArgument`` if `path` is not the output of a finished shard, or no longer.
    init(_ path: String) throws(DamaError) {
        paths = JobPaths(output: path)
        guard Files.exists(paths.summary) else {
            throw .invalidArgument(
                "\(path) has no \(paths.summary) beside it: it is not the output of a finished shard")
        }
        let json = try Files.readJSON(paths.summary)
        guard let members = json["settings"]?.object?.members, json["settings"]?["job"]?.string == "score",
            let index = json["settings"]?["shard"]?.int, let count = json["settings"]?["shards"]?.int,
            let total = json["settings"]?["dataset_rows"]?.int, total > 0
        else { throw .invalidArgument("\(paths.summary) is not the summary of a shard; name the outputs of shards") }
        shard = Shard(index: index, count: count)
        try shard.check()
        settings = .object(JSONObject(members.filter { !Self.own.contains($0.key) }))
        datasetRows = total
        contents = [json["output"] ?? .null, json["rejects"] ?? .null]
        try ResultFile.requireUnchanged(paths.output, json["output"], summary: paths.summary)
        try ResultFile.requireUnchanged(paths.rejects, json["rejects"], summary: paths.summary)
    }

    /// Refuses an output of the merge that would replace this shard.
    func refuse(as output: JobPaths) throws(DamaError) {
        for own in [paths.output, paths.rejects, paths.summary] {
            for path in [output.output, output.rejects, output.summary] where Files.areSame(own, path) {
                throw .invalidArgument("the output \(path) is itself a shard's; give the output of the whole")
            }
        }
    }

    /// Calls `body` with the outcome of each row and its size in bytes: the rejected rows, then the others, both in the
    /// order of the dataset. That is all that the results of the whole depend on.
    func forEachOutcome(_ body: (RowOutcome, Int) throws(DamaError) -> Void) throws(DamaError) {
        try forEachLine(of: paths.rejects) { line throws(DamaError) in try body(.rejected(line), line.count) }
        try forEachLine(of: paths.output) { line throws(DamaError) in
            let stored = try StoredRow.encoded(line)
            try body(.done(stored), stored.count)
        }
    }

    private func forEachLine(
        of path: String, _ body: ([UInt8]) throws(DamaError) -> Void
    ) throws(DamaError) {
        var reader = try RowReader(path: path, rowLimit: 1 << 30)
        while let row = try reader.next() {
            do throws(DamaError) {
                if let rejection = row.rejection { throw .model(rejection.reason) }
                try body(row.bytes)
            } catch {
                guard error.code == .model else { throw error }
                throw DamaError(.model, "\(path), line \(row.line): \(error.message)")
            }
        }
    }
}

extension StoredRow {
    /// The bytes that the journal holds for a line of a shard's output.
    static func encoded(_ line: [UInt8]) throws(DamaError) -> [UInt8] {
        let json = try JSON(parsing: line, numbers: .asWritten)
        guard let delta = json["delta"]?.double, let chosen = json["chosen"]?.array,
            let rejected = json["rejected"]?.array, let flags = json["flags"]?.array,
            let split = position(of: marker, in: line)
        else { throw .model("expected id, delta, alpha_data null, chosen, rejected and flags, as a shard has them") }
        var writer = ByteWriter()
        writer.append(delta)
        writer.append(UInt32(truncatingIfNeeded: chosen.count))
        writer.append(UInt32(truncatingIfNeeded: rejected.count))
        let names = flags.compactMap(\.string).joined(separator: ",")
        let end = split + marker.count
        for part in [Array(names.utf8), Array(line[..<(end - null.count)])] {
            writer.append(UInt32(truncatingIfNeeded: part.count))
            writer.append(part)
        }
        writer.append(Array(line[end...]) + [UInt8(ascii: "\n")])
        return writer.bytes
    }

    /// In no string: a quotation mark inside one follows a backslash.
    private static let marker = Array(",\"alpha_data\":null".utf8)
    private static let null = Array("null".utf8)

    private static func position(of marker: [UInt8], in line: [UInt8]) -> Int? {
        guard line.count >= marker.count else { return nil }
        return (0...line.count - marker.count).first { line[$0..<$0 + marker.count].elementsEqual(marker) }
    }
}
