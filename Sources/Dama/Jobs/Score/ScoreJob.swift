import DamaModels
import DamaSupport

/// Scores every pair of a dataset for hardness: Eqs. (4) to (8) of the paper, from a file to a file.
///
/// ```swift
/// var options = ScoreOptions(data: "pairs.jsonl", output: "scores.jsonl")
/// options.imageRoot = "images"
/// let summary = try ScoreJob(options, encoder: encoder).run { print($0.rowsDone) }
/// ```
///
/// Memory does not grow with the rows. Killed at any moment and run again, it goes on where it was, and the files are
/// byte for byte those of a run that was never stopped, on the same machine with the same number of threads. Bad rows
/// go to a file of their own. See ``JobPaths`` for the files.
public struct ScoreJob: Sendable {
    private let options: ScoreOptions
    private let encoder: any ImageTextEncoder
    private let splitter: any ResponseSplitter

    public init(
        _ options: ScoreOptions, encoder: any ImageTextEncoder, splitter: any ResponseSplitter = NamedSplitter.builtIn
    ) {
        self.options = options
        self.encoder = encoder
        self.splitter = splitter
    }

    /// Runs the job to its end.
    ///
    /// - Parameter observer: Told how far it is; what it throws stops the job, which keeps what is done.
    /// - Throws: ``DamaError/Code/io`` for files that cannot be read or written, or an output that is in use;
    ///   ``DamaError/Code/invalidArgument`` for options that make no sense, and for an unfinished or finished output of
    ///   another job; ``DamaError/Code/model`` where more rows were rejected than allowed, or all were.
    @discardableResult
    public func run(
        observer: @escaping (JobProgress) throws(DamaError) -> Void = { _ in }
    ) throws(DamaError) -> ScoreSummary {
        try options.check()
        let paths = JobPaths(output: options.rows.output, hasRun: true)
        let folder = try ResultFolder(paths, data: options.rows.data, restart: options.rows.restart)
        let root = try ImageRoot(
            path: options.imageFolder, byteLimit: options.imageByteLimit, followsLinks: options.followsLinks)
        var progress = ProgressReporter(observer: observer)
        let contents = try RowJob.scan(options.rows, &progress)
        guard contents.rowCount > 0 else { throw .invalidArgument("\(options.rows.data) holds no rows") }
        let settings = options.settings(
            contents: contents, fingerprint: try encoder.fingerprint, splitter: splitter.name, imageRoot: root.path)
        if !folder.isBegun, !options.rows.restart, let summary = try finished(paths, settings) {
            try folder.clear()
            return summary
        }
        var journal = try RowJournal(path: folder.file("journal"), settings: settings)
        let cache = try EmbeddingCache(
            path: folder.file("embeddings"), dimension: encoder.dimension, byteLimit: options.cacheBytes,
            stored: journal.state)
        var task = ScoreTask(
            preparation: ScorePreparation(
                encoder: encoder, splitter: splitter, root: root, fields: options.fields, cache: cache),
            options: options)
        let report = ScoreReport(options: options, settings: finalSettings(settings))
        do throws(DamaError) {
            try RowJob.run(&task, options.rows, contents: contents, journal: &journal, &progress)
        } catch {
            // Who is told that too many rows are bad wants to see them.
            if let limit = options.rows.maximumRejected, journal.rejectedCount > limit {
                try report.writeRejects(journal, in: folder)
                throw DamaError(error.code, "\(error.message); see \(paths.rejects)")
            }
            throw error
        }
        try progress.beginWriting()
        let summary: ScoreSummary
        do throws(DamaError) {
            summary = try report.write(journal, in: folder) { () throws(DamaError) in try progress.report() }
        } catch {
            // Nothing is worth keeping: once the images are where they should be, all rows are to be read again.
            if journal.rejectedCount == journal.rowCount {
                try report.writeRejects(journal, in: folder)
                try folder.clear()
            }
            throw error
        }
        if let run = paths.run {
            try Files.writeAtomically(Array("\(runFile(progress.current, task.counts).text)\n".utf8), to: run)
        }
        try folder.clear()
        return summary
    }

    // MARK: Parts

    /// The settings in the summary, with those that only the end of the job depends on.
    private func finalSettings(_ settings: JSON) -> JSON {
        var members = settings.object?.members ?? []
        members.append(("mean_delta", options.meanDelta.map { .double($0) } ?? .null))
        return .object(JSONObject(members))
    }

    /// The summary of an earlier run that finished the same job; `nil` where there is no output at all.
    private func finished(_ paths: JobPaths, _ settings: JSON) throws(DamaError) -> ScoreSummary? {
        guard let json = try paths.finishedSummary(finalSettings(settings)) else { return nil }
        guard var summary = ScoreSummary(json: json) else { throw paths.changed }
        summary.wasComplete = true
        return summary
    }

    /// What differs from run to run.
    private func runFile(_ progress: JobProgress, _ counts: ScoreTask.Counts) -> JSON {
        [
            "seconds": .double(progress.seconds),
            "rows_per_second": .double(progress.rowsPerSecond),
            "rows_resumed": .int(Int64(progress.rowsResumed)),
            "images_embedded": .int(Int64(counts.imagesEmbedded)),
            "images_from_cache": .int(Int64(counts.imagesFound)),
            "sentences_embedded": .int(Int64(counts.sentencesEmbedded)),
            "sentences_from_cache": .int(Int64(counts.sentencesFound)),
            "workers": .int(Int64(Workers(count: options.rows.workers).count)),
        ]
    }
}
