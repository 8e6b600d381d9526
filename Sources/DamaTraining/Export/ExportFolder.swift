import DamaSupport

/// The directory of an export: which directory may be replaced, and the marker file that lists its files.
package enum ExportFolder {
    /// The file that marks an export and lists its other files.
    static let marker = "dama_export.json"

    /// Fills a new directory by `write` and replaces `path` with it.
    ///
    /// - Parameters:
    ///   - base: the directory of the trained model, which an export never replaces.
    ///   - description: fields of the marker.
    /// - Throws: ``DamaError/Code/invalidArgument`` if `path` must not be replaced; ``DamaError/Code/io`` if writing
    ///   fails. Existing files are then unchanged.
    static func write(
        _ path: String, base: String, replaces: Bool, description: [JSONObject.Member],
        write: (_ directory: String) throws(DamaError) -> Void
    ) throws(DamaError) {
        guard !path.isEmpty else { throw .invalidArgument("the path of the export is empty; it must name a directory") }
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

    /// Checks that an export may be written to `path`.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` if `path` must not be replaced.
    package static func check(_ path: String, base: String, replaces: Bool) throws(DamaError) {
        guard Files.isThere(path) else { return }
        guard Files.isDirectory(path) else {
            throw .invalidArgument("\(path) is a file; the path of an export must be a directory")
        }
        guard !Files.isInside(base, path) else {
            throw .invalidArgument("\(path) holds the trained base model; export to another directory")
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
                "\(path) already exists and holds \"\(foreign)\", which no export wrote; name another directory, or "
                    + "request that it is replaced")
        }
    }
}
