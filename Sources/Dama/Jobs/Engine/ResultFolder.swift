import DamaSupport

/// What a job over rows keeps beside its output until it is done: the journal, what belongs to it, and results that are
/// not in their places yet.
///
/// | file | |
/// |---|---|
/// | `journal` | rows that are done: ``RowJournal`` |
/// | `embeddings` | ``EmbeddingCache`` of a scoring job |
/// | `deltas` | numbers for the summary's quantiles |
/// | `output`, `rejects`, `summary` | results that are being written |
/// | `placing` | sizes and digests of results that are being renamed into their places |
struct ResultFolder: ~Copyable {
    private let folder: JobFolder
    let paths: JobPaths

    private static let names = ["journal", "placing", "embeddings", "deltas", "output", "rejects", "summary"]

    /// Takes the folder, and finds out whether the job may write where it is to. Nothing has been computed by then.
    ///
    /// - Throws: what ``JobPaths/refuseUnsuitable(data:)`` and ``JobPaths/refuseForeign()`` do.
    init(_ paths: JobPaths, data: String, restart: Bool) throws(DamaError) {
        try paths.refuseUnsuitable(data: data)
        let suffix = Files.temporary(for: "")
        let known = Set(Self.names + Self.names.map { $0 + suffix })
        for name in Self.names where Files.areSame("\(paths.partial)/\(name)", data) {
            throw .invalidArgument("the dataset \(data) lies in \(paths.partial), which the job removes")
        }
        let folder = try JobFolder(path: paths.partial) { known.contains($0) }
        folder.removeTemporaryFiles()
        try paths.refuseForeign()
        if let run = paths.run { Files.removeLeftovers(of: run) }
        if restart { try Self.clear(folder) }
        self.folder = folder
        self.paths = paths
    }

    /// The path of a file in the folder.
    func file(_ name: String) -> String { folder.file(name) }

    /// Whether rows may be done already.
    var isBegun: Bool { Files.isThere(folder.file("journal")) }

    /// Puts finished results into their places, the summary last, since it says that all is there. They are on the disk
    /// when the call returns.
    ///
    /// - Parameter results: name in the folder, place, and what ``ResultFile/seal()`` said of it.
    func place(_ results: [(name: String, place: String, description: JSON)]) throws(DamaError) {
        // Should the process end in the middle, the next one knows these files as its own by this.
        let placing = JSON.object(JSONObject(results.map { (key: $0.name, value: $0.description) }))
        try Files.writeAtomically(Array("\(placing.text)\n".utf8), to: paths.placing)
        for result in results { try Files.rename(folder.file(result.name), to: result.place) }
        try Files.synchronize(directory: Files.folder(of: paths.output))
    }

    /// Forgets everything that is not finished.
    func clear() throws(DamaError) { try Self.clear(folder) }

    private static func clear(_ folder: borrowing JobFolder) throws(DamaError) {
        // The journal counts on the others, so it has to go first, on the disk too.
        guard Files.remove(folder.file("journal")) else {
            throw .io("cannot remove \(folder.file("journal")): \(describeErrno())")
        }
        try Files.synchronize(directory: folder.path)
        for name in names { Files.remove(folder.file(name)) }
    }
}
