import DamaSupport

/// Makes the folder of a benchmark's data out of what a user has downloaded. Nothing is downloaded here.
///
/// A download is recognised by its SHA-256, whatever its name. A file of another version is refused, unless
/// ``acceptsAnyVersion`` is set: it is then taken by its name, and every summary says so.
package struct DataPreparation: Sendable {
    package let benchmark: String
    package let inputs: [DataInput]
    package var acceptsAnyVersion = false

    package init(benchmark: String, inputs: [DataInput]) {
        self.benchmark = benchmark
        self.inputs = inputs
    }

    /// What a preparation did.
    package struct Report: Sendable {
        /// Files of the folder that were made.
        package var made: [String] = []
        /// Files of the folder that an earlier call made.
        package var kept: [String] = []
        /// What is still needed: files of the folder, each with the downloads that are missing.
        package var missing: [Missing] = []
    }

    /// A file of the folder that cannot be made yet.
    package struct Missing: Sendable {
        package var name: String
        package var purpose: String
        package var isOptional: Bool
        package var downloads: [Download]
    }

    /// Adds the files that can be made of `paths` to the folder `output`, and creates it if it does not exist.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for a path that no file is made of, a file of another version, and a
    ///   folder with files of others; ``DamaError/Code/io`` for what cannot be read or written.
    package func run(
        from paths: [String], to output: String, stop: StopSignal = StopSignal()
    ) throws(DamaError) -> Report {
        var entries = try existing(output)
        let found = try recognize(paths, stop)
        var report = Report()
        for input in inputs {
            try stop.check()
            let missing = input.downloads.filter { download in
                !download.isOptional && found[download.name] == nil
                    && (download.archive.map { found[$0] == nil } ?? true)
            }
            guard missing.isEmpty, input.downloads.contains(where: { found[$0.name] != nil }) else {
                if entries.contains(where: { $0.name == input.name }) {
                    report.kept.append(input.name)
                } else {
                    report.missing.append(
                        Missing(
                            name: input.name, purpose: input.purpose, isOptional: input.isOptional,
                            downloads: missing.isEmpty ? input.downloads : missing))
                }
                continue
            }
            try Files.makeDirectory(output)
            let entry = try make(input, found, in: output)
            entries.removeAll { $0.name == input.name }
            entries.append(entry)
            report.made.append(input.name)
            // Written after each file: what is there is valid at any time.
            try write(entries, to: output)
        }
        return report
    }

    // MARK: Recognising downloads

    private struct Found {
        var path: String
        var sha256: String
        var version: String?
    }

    private func recognize(_ paths: [String], _ stop: StopSignal) throws(DamaError) -> [String: Found] {
        let downloads = inputs.flatMap(\.downloads)
        var found: [String: Found] = [:]
        for path in paths {
            try stop.check()
            if Files.isDirectory(path) {
                guard let download = downloads.first(where: { $0.isFolder && $0.name == lastPart(of: path) }) else {
                    throw .invalidArgument("\(path) is a folder; \(expected(downloads))")
                }
                found[download.name] = Found(path: path, sha256: "", version: nil)
                continue
            }
            let digest = try Files.digest(path).sha256
            if let (name, version) = version(of: digest, downloads) {
                found[name] = Found(path: path, sha256: digest, version: version)
                continue
            }
            guard let download = downloads.first(where: { matches($0.name, lastPart(of: path)) }) else {
                throw .invalidArgument(
                    "\(path): no file of \(benchmark) has this name or contents; \(expected(downloads))")
            }
            guard download.versions.isEmpty || download.acceptsOthers || acceptsAnyVersion else {
                let known = download.versions.map { "\($0.sha256) (\($0.name))" }.joined(separator: ", ")
                throw .invalidArgument(
                    "\(path) has the SHA-256 \(digest), which is no known version of \(download.name): \(known); "
                        + "download it from \(download.address), or use --any-version")
            }
            found[download.name] = Found(path: path, sha256: digest, version: nil)
        }
        return found
    }

    private func version(of digest: String, _ downloads: [Download]) -> (name: String, version: String)? {
        for download in downloads {
            if let version = download.versions.first(where: { $0.sha256 == digest }) {
                return (download.name, version.name)
            }
        }
        return nil
    }

    /// Whether a file may be a download of this name, in which `*` stands for any text.
    private func matches(_ pattern: String, _ name: String) -> Bool {
        guard let star = pattern.utf8.firstIndex(of: UInt8(ascii: "*")) else { return pattern.hasSameBytes(as: name) }
        let (start, end) = (pattern.utf8[..<star], pattern.utf8[star...].dropFirst())
        return name.utf8.count >= start.count + end.count && name.utf8.starts(with: start)
            && name.utf8.suffix(end.count).elementsEqual(end)
    }

    private func expected(_ downloads: [Download]) -> String {
        var names: [String] = []
        for download in downloads where !names.contains(download.name) { names.append(download.name) }
        return "expected \(names.joined(separator: ", "))"
    }

    private func lastPart(of path: String) -> String {
        path.utf8.split(separator: UInt8(ascii: "/")).last.map { String(Substring($0)) } ?? path
    }

    // MARK: The folder

    private func existing(_ output: String) throws(DamaError) -> [DataFolder.Entry] {
        guard Files.isThere(output) else { return [] }
        guard Files.isDirectory(output) else {
            throw .invalidArgument("\(output) is not a folder; choose another output")
        }
        let names = try Files.names(in: output)
        if names.isEmpty { return [] }
        guard names.contains(DataFolder.manifestName) else {
            throw .invalidArgument("\(output) holds files of others; choose a new folder")
        }
        return try DataFolder(path: output, benchmark: benchmark).entries
    }

    private func make(
        _ input: DataInput, _ found: [String: Found], in output: String
    ) throws(DamaError) -> DataFolder.Entry {
        let path = "\(output)/\(input.name)"
        let used = input.downloads.compactMap { download in found[download.name].map { (download.name, $0) } }
        if let make = input.make {
            try make(Dictionary(used.map { ($0.0, $0.1.path) }, uniquingKeysWith: { first, _ in first }), path)
        } else if let source = used.first {
            try Files.copy(source.1.path, to: path)
        }
        let digest = try Files.digest(path)
        return DataFolder.Entry(
            name: input.name, sha256: digest.sha256, byteCount: digest.byteCount,
            sources: used.map { .init(name: $0.0, sha256: $0.1.sha256, version: $0.1.version) })
    }

    private func write(_ entries: [DataFolder.Entry], to output: String) throws(DamaError) {
        let json: JSON = [
            "benchmark": .string(benchmark), "format": .int(Int64(DataFolder.format)),
            "files": .array(entries.map(\.json)),
        ]
        try Files.writeAtomically(Array("\(json.text)\n".utf8), to: "\(output)/\(DataFolder.manifestName)")
    }
}
