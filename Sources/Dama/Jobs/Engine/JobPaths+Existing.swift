import DamaSupport

/// Checks of existing files at a job's output paths.
extension JobPaths {
    /// Refuses an output that cannot be replaced by renaming, or that would replace the input.
    func refuseUnsuitable(data: String) throws(DamaError) {
        for path in [output, rejects, summary] + [run, page?.path].compactMap({ $0 })
        where Files.isThere(path) {
            guard !Files.isSymbolicLink(path) else {
                throw .io("\(path) is a symbolic link, which a file would replace; give the path of the file itself")
            }
            guard Files.isRegularFile(path) else {
                throw .io("\(path) is not a regular file, and cannot be replaced by one")
            }
            guard !Files.areSame(path, data) else {
                throw .invalidArgument("\(path), which the job writes, is the dataset itself")
            }
        }
    }

    /// Refuses to replace files that no job wrote. The results of an earlier job are recognised by the summary beside
    /// them. The results of a run that ended while it renamed them are recognised by the sizes and digests in the
    /// unfinished job's folder.
    func refuseForeign() throws(DamaError) {
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
        if let page, Files.isThere(page.path), !page.isOwn { throw foreign(page.path) }
    }

    /// Refuses a page that could not be written once everything is computed, or that would replace another file of the
    /// job. The folder for unfinished state exists.
    func refuseUnsuitablePage() throws(DamaError) {
        guard let page else { return }
        let folder = Files.folder(of: page.path)
        guard Files.isDirectory(folder) else {
            throw .io("cannot write \(page.path): there is no folder \(folder)")
        }
        guard !Files.areSame(folder, partial) else {
            throw .invalidArgument("\(page.path) is in \(partial), which the job removes; give the page another path")
        }
        for path in [output, rejects, summary] + [run].compactMap({ $0 })
        where Files.areSame(folder, Files.folder(of: path)) && Self.name(path) == Self.name(page.path) {
            throw .invalidArgument("\(page.path) is one of the job's results; give the page another path")
        }
    }

    private static func name(_ path: String) -> [UInt8] {
        path.utf8.split(separator: UInt8(ascii: "/")).last.map { Array($0) } ?? []
    }

    /// The error for a file that no job wrote.
    func foreign(_ path: String) -> DamaError {
        .invalidArgument(
            "\(path) exists and is not replaced, because no job of this kind wrote it; choose another output, or "
                + "remove the file")
    }

    private static func isSummary(_ path: String) -> Bool {
        guard let bytes = try? Files.read(path, limit: 64 << 20), let json = try? JSON(parsing: bytes) else {
            return false
        }
        return json["settings"]?["job"]?.string != nil && json["output"]?["sha256"] != nil
    }

    /// The summary of an earlier run that finished the same job; `nil` if no output exists.
    ///
    /// - Throws: An error if the output is that of another job, which is replaced only on restart.
    func finishedSummary(_ settings: JSON) throws(DamaError) -> JSON? {
        guard Files.exists(summary) else { return nil }
        let json = try Files.readJSON(summary)
        let differences = settingsDifferences(json["settings"] ?? .null, settings)
        guard differences.isEmpty else {
            throw .invalidArgument(
                "\(output) exists from a job with \(differences.joined(separator: "; ")), and is not replaced "
                    + "unless the job is restarted")
        }
        guard try ResultFile.isUnchanged(output, json["output"]), try ResultFile.isUnchanged(rejects, json["rejects"])
        else {
            throw changed
        }
        return json
    }

    /// The error for results that differ from those their summary describes.
    var changed: DamaError {
        .invalidArgument(
            "\(output) or \(rejects) is not what \(summary) describes; restart the job to replace it")
    }
}

extension Rejection {
    /// Whether the file at `path` holds only rejected rows, one per line.
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
