import DamaSupport

/// The files that a job over rows keeps beside its output until it is done: the journal, the files that belong to it,
/// and results that are not at their final paths yet.
///
/// | file | |
/// |---|---|
/// | `journal` | rows that are done: ``RowJournal`` |
/// | `embeddings` | ``EmbeddingCache`` of a scoring job |
/// | `judge` | a judge's answers of an evaluation: ``JudgeCache`` |
/// | `deltas` | numbers for the summary's quantiles |
/// | `output`, `rejects`, `summary` | results being written |
/// | `placing` | sizes and digests of results while they are renamed to their final paths |
struct ResultFolder: ~Copyable {
    private let folder: JobFolder
    let paths: JobPaths

    private static let names = [
        "journal", "placing", "embeddings", "judge", "deltas", "output", "rejects", "summary",
    ]

    /// Locks the folder, and checks that the job may write its outputs before anything is computed.
    ///
    /// - Throws: The errors of ``JobPaths/refuseUnsuitable(data:)`` and ``JobPaths/refuseForeign()``,
    ///   and ``JobPaths/refuseUnsuitablePage()``.
    init(_ paths: JobPaths, data: String, restart: Bool) throws(DamaError) {
        try paths.refuseUnsuitable(data: data)
        let suffix = Files.temporary(for: "")
        let known = Set(Self.names + Self.names.map { $0 + suffix })
        for name in Self.names where Files.areSame("\(paths.partial)/\(name)", data) {
            throw .invalidArgument("the dataset \(data) is in \(paths.partial), which the job removes")
        }
        let folder = try JobFolder(path: paths.partial) { known.contains($0) }
        folder.removeTemporaryFiles()
        try paths.refuseForeign()
        try paths.refuseUnsuitablePage()
        if let page = paths.page { Files.removeLeftovers(of: page.path) }
        if let run = paths.run { Files.removeLeftovers(of: run) }
        if restart { try Self.clear(folder) }
        self.folder = folder
        self.paths = paths
    }

    /// The path of a file in the folder.
    func file(_ name: String) -> String { folder.file(name) }

    /// Whether an earlier run may have completed rows.
    var isBegun: Bool { Files.isThere(folder.file("journal")) }

    /// Renames finished results to their final paths, the summary last because it marks the job as complete. They are
    /// on disk when the call returns.
    ///
    /// - Parameter results: The name in the folder, the final path, and the description that ``ResultFile/seal()``
    ///   returned.
    func place(_ results: [(name: String, place: String, description: JSON)]) throws(DamaError) {
        // If the process ends in between, the next one recognises these files as its own by this record.
        let placing = JSON.object(JSONObject(results.map { (key: $0.name, value: $0.description) }))
        try Files.writeAtomically(Array("\(placing.text)\n".utf8), to: paths.placing)
        for result in results { try Files.rename(folder.file(result.name), to: result.place) }
        try Files.synchronize(directory: Files.folder(of: paths.output))
    }

    /// Removes all unfinished state.
    func clear() throws(DamaError) { try Self.clear(folder) }

    private static func clear(_ folder: borrowing JobFolder) throws(DamaError) {
        // The journal depends on the other files, so it is removed first, on disk too.
        guard Files.remove(folder.file("journal")) else {
            throw .io("cannot remove \(folder.file("journal")): \(describeErrno())")
        }
        try Files.synchronize(directory: folder.path)
        for name in names { Files.remove(folder.file(name)) }
    }
}
