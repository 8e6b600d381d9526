import DamaSupport

/// A folder of a benchmark's prepared data, as ``DataPreparation`` writes it.
package struct DataFolder: Sendable {
    package let path: String
    package let benchmark: String
    let entries: [Entry]

    static let manifestName = "benchmark.json"
    static let format = 1

    /// A file of the folder.
    struct Entry: Sendable {
        var name: String
        var sha256: String
        var byteCount: Int
        /// The downloads that it was made of.
        var sources: [Source]

        struct Source: Sendable {
            var name: String
            var sha256: String
            /// `nil` for contents that no known version has.
            var version: String?
        }
    }

    /// - Throws: ``DamaError/Code/invalidArgument`` if `path` is not the prepared data of this benchmark;
    ///   ``DamaError/Code/io`` if it cannot be read.
    package init(path: String, benchmark: String) throws(DamaError) {
        let manifest = "\(path)/\(Self.manifestName)"
        guard Files.isThere(manifest) else {
            throw .invalidArgument(
                "\(path) holds no \(Self.manifestName); prepare the data: dama evaluate prepare \(benchmark) --from FILE… "
                    + "--out DIR")
        }
        let json = try Files.readJSON(manifest)
        guard json["format"]?.int == Self.format, let name = json["benchmark"]?.string,
            let entries = json["files"]?.array?.map({ Entry($0) }), !entries.contains(where: { $0 == nil })
        else {
            throw .invalidArgument("\(manifest) is not that of prepared data, or of another version; prepare it again")
        }
        guard name == benchmark else {
            throw .invalidArgument("\(path) holds the data of \(name), not of \(benchmark)")
        }
        self.path = path
        self.benchmark = benchmark
        self.entries = entries.compactMap { $0 }
    }

    /// The path of a file of the folder, whose contents are as they were prepared.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` if the folder has no such file or the file has changed.
    package func file(_ name: String) throws(DamaError) -> String {
        guard let entry = entry(name) else { throw missing(name) }
        let path = "\(path)/\(name)"
        let found = try Files.digest(path)
        guard found.sha256 == entry.sha256 else {
            throw .invalidArgument("\(path) has changed since it was prepared; prepare it again")
        }
        return path
    }

    /// The contents of a file as JSON.
    package func json(_ name: String) throws(DamaError) -> JSON { try Files.readJSON(try file(name)) }

    /// The contents of a file as text.
    package func text(_ name: String) throws(DamaError) -> String {
        let path = try file(name)
        guard let text = String(validating: try Files.read(path), as: UTF8.self) else {
            throw .invalidArgument("\(path) is not UTF-8")
        }
        return text
    }

    /// The values of a file of JSON Lines, in order. Blank lines are skipped.
    package func rows(_ name: String) throws(DamaError) -> [JSON] {
        let path = try file(name)
        var rows: [JSON] = []
        for (number, line) in try Files.read(path).split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
        ).enumerated() where line.contains(where: { $0 > 0x20 }) {
            do throws(DamaError) {
                rows.append(try JSON(parsing: line))
            } catch {
                throw .invalidArgument("\(path), line \(number + 1): \(error.message)")
            }
        }
        return rows
    }

    package func has(_ name: String) -> Bool { entry(name) != nil }

    /// The version of the download that a file was made of; `nil` if it is not a known one.
    package func version(of name: String, source: String) -> String? {
        entry(name)?.sources.first { $0.name == source }?.version
    }

    /// The files with their digests and versions, for a job's settings.
    package var identity: JSON {
        .object(
            JSONObject(
                entries.map { entry in
                    let versions = entry.sources.map {
                        JSON.string("\($0.name) \($0.version ?? "of no known version")")
                    }
                    return (entry.name, ["sha256": .string(entry.sha256), "made_from": .array(versions)])
                }))
    }

    private func entry(_ name: String) -> Entry? { entries.first { $0.name == name } }

    private func missing(_ name: String) -> DamaError {
        .invalidArgument(
            "\(path) has no \(name); run dama evaluate prepare \(benchmark) --out \(path) without --from to see what it "
                + "is made of")
    }
}

extension DataFolder.Entry {
    var json: JSON {
        [
            "name": .string(name), "sha256": .string(sha256), "bytes": .int(Int64(byteCount)),
            "made_from": .array(
                sources.map { source in
                    [
                        "name": .string(source.name), "sha256": .string(source.sha256),
                        "version": source.version.map { .string($0) } ?? .null,
                    ]
                }),
        ]
    }

    init?(_ json: JSON) {
        guard let name = json["name"]?.string, let sha256 = json["sha256"]?.string, let bytes = json["bytes"]?.int,
            let sources = json["made_from"]?.array
        else { return nil }
        self.name = name
        self.sha256 = sha256
        byteCount = bytes
        self.sources = sources.compactMap { source in
            guard let name = source["name"]?.string, let sha256 = source["sha256"]?.string else { return nil }
            return Source(name: name, sha256: sha256, version: source["version"]?.string)
        }
    }
}
