import DamaSupport

/// The directory that an export becomes: which one may be replaced, and what else it holds.
package enum ExportFolder {
    /// The file by which an export is known; it lists the others.
    static let marker = "dama_export.json"

    /// Fills a new directory by `write` and puts it in the place of `path`.
    ///
    /// - Parameters:
    ///   - base: the directory of the model that was trained, which no export replaces.
    ///   - description: goes into the marker.
    /// - Throws: ``DamaError/Code/invalidArgument`` where something stands there that must not be replaced;
    ///   ``DamaError/Code/io`` where the disk refuses, with what was there left as it was.
    static func write(
        _ path: String, base: String, replaces: Bool, description: [JSONObject.Member],
        write: (_ directory: String) throws(DamaError) -> Void
    ) throws(DamaError) {
        guard !path.isEmpty else { throw .invalidArgument("the directory to export to has no name") }
        try check(path, base: base, replaces: replaces)
        try Files.replaceDirectory(path) { directory throws(DamaError) in
            try write(directory)
            let files = try Files.names(in: directory).map { JSON.string($0) }
            try Self.write(
                .object(
                    JSONObject(
                        description + [("libdama", .string("\(libraryVersion)")), ("files", .array(files))])),
                to: "\(directory)/\(marker)")
        }
    }

    static func write(_ json: JSON, to path: String) throws(DamaError) {
        var bytes: [UInt8] = []
        json.write(to: &bytes)
        bytes.append(UInt8(ascii: "\n"))
        try Files.replace(path) { sink throws(DamaError) in try sink.append(bytes) }
    }

    /// Whether an export may be written to `path`.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` where something stands there that must not be replaced.
    package static func check(_ path: String, base: String, replaces: Bool) throws(DamaError) {
        guard Files.isThere(path) else { return }
        guard Files.isDirectory(path) else {
            throw .invalidArgument("\(path) is a file; an export is a directory")
        }
        guard !Files.isInside(base, path) else {
            throw .invalidArgument("\(path) holds the model that was trained; export to another directory")
        }
        if replaces { return }
        let names = try Files.names(in: path)
        var known: Set<ExactText> = []
        if names.contains(marker) {
            // An unreadable marker lists no files.
            let files = (try? Files.readJSON("\(path)/\(marker)"))?["files"]?.array ?? []
            known = Set((files.compactMap(\.string) + [marker]).map { ExactText($0) })
        }
        if let foreign = names.first(where: { !known.contains(ExactText($0)) }) {
            throw .invalidArgument(
                "\(path) is there already and holds \"\(foreign)\", which no export wrote; name another directory, or "
                    + "ask for it to be replaced")
        }
    }
}
