import DamaSupport

/// What is there already where a job wants to write.
extension JobPaths {
    /// Refuses an output that could not be replaced by renaming, or that would replace the input.
    func refuseUnsuitable(data: String) throws(DamaError) {
        for path in [output, rejects, summary] + [run].compactMap({ $0 }) where Files.isThere(path) {
            guard !Files.isSymbolicLink(path) else {
                throw .io("\(path) is a symbolic link, and would be replaced by a file; name the file itself")
            }
            guard Files.isRegularFile(path) else {
                throw .io("\(path) is not a regular file, and would be replaced by one")
            }
            guard !Files.areSame(path, data) else {
                throw .invalidArgument("\(path), which the job writes, is the dataset itself")
            }
        }
    }

    /// Refuses to replace what no job wrote. Results of an earlier job are known by the summary beside them, those of a
    /// run that ended while it put them into their places by what it noted in the unfinished job's folder.
    func refuseForeign() throws(DamaError) {
        func foreign(_ path: String) -> DamaError {
            .invalidArgument(
                "\(path) exists and is not replaced, for no job of this kind wrote it; name another output, or remove it"
            )
        }
        let hasSummary = Files.isThere(summary)
        let placing = Files.isThere(placing) ? try? Files.readJSON(placing) : nil
        if hasSummary, !Self.isSummary(summary) { throw foreign(summary) }
        if Files.isThere(output), !hasSummary {
            guard try ResultFile.isUnchanged(output, placing?["output"]) else { throw foreign(output) }
        }
        if Files.isThere(rejects), !Rejection.isFile(rejects) { throw foreign(rejects) }
        if let run, Files.isThere(run), (try? Files.readJSON(run))?["rows_per_second"]?.double == nil {
            throw foreign(run)
        }
    }

    private static func isSummary(_ path: String) -> Bool {
        guard let bytes = try? Files.read(path, limit: 64 << 20), let json = try? JSON(parsing: bytes) else {
            return false
        }
        return json["settings"]?["job"]?.string != nil && json["output"]?["sha256"] != nil
    }

    /// The summary of an earlier run that finished the same job; `nil` where there is no output at all.
    ///
    /// - Throws: where there is one of another job, which is not replaced without being told to.
    func finishedSummary(_ settings: JSON) throws(DamaError) -> JSON? {
        guard Files.exists(summary) else { return nil }
        let json = try Files.readJSON(summary)
        let differences = settingsDifferences(json["settings"] ?? .null, settings)
        guard differences.isEmpty else {
            throw .invalidArgument(
                "\(output) is there from a job with \(differences.joined(separator: "; ")), and is not replaced "
                    + "unless the job is restarted")
        }
        guard try ResultFile.isUnchanged(output, json["output"]), try ResultFile.isUnchanged(rejects, json["rejects"])
        else {
            throw changed
        }
        return json
    }

    /// Results that are not those that their summary was written for.
    var changed: DamaError {
        .invalidArgument(
            "\(output) or \(rejects) is not what \(summary) describes; restart the job to replace it")
    }
}

extension Rejection {
    /// Whether the file at `path` holds rejected rows and nothing else, one on a line.
    static func isFile(_ path: String) -> Bool {
        guard var reader = try? RowReader(path: path, rowLimit: 64 << 20) else { return false }
        do throws(DamaError) {
            while let row = try reader.next() {
                guard row.rejection == nil, let json = try? JSON(parsing: row.bytes), json["row"]?.int != nil,
                    json["line"]?.int != nil, json["kind"]?.string != nil, json["reason"]?.string != nil
                else { return false }
            }
            return true
        } catch {
            return false
        }
    }
}
