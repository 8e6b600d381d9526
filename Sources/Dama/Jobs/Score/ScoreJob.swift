import DamaModels
import DamaRuntime
import DamaSupport

/// Scores every pair of a dataset file for hardness: Eqs. (4) to (8) of the paper.
///
/// ```swift
/// var options = ScoreOptions(data: "pairs.jsonl", output: "scores.jsonl")
/// options.imageRoot = "images"
/// let summary = try ScoreJob(options, encoder: encoder).run { print($0.rowsDone) }
/// ```
///
/// Memory does not grow with the number of rows. A job that was killed at any moment resumes when it is run again. Its
/// files are byte for byte those of an uninterrupted run on the same machine with the same number of threads. Rejected
/// rows go to a separate file. See ``JobPaths`` for the files.
public struct ScoreJob: Sendable {
    /// The output of these options: a shard's has a name of its own.
    public static func output(of options: ScoreOptions) -> String {
        options.shard?.path(of: options.rows.output) ?? options.rows.output
    }

    private let options: ScoreOptions
    private let encoder: any ImageTextEncoder
    private let splitter: any ResponseSplitter

    public init(
        _ options: ScoreOptions, encoder: any ImageTextEncoder, splitter: any ResponseSplitter = NamedSplitter.builtIn
    ) {
        var options = options
        options.imagesPerStep = options.imagesPerStep ?? encoder.imagesPerStep
        if options.rows.workers == 0 { options.rows.workers = encoder.preparationThreads }
        options.sentencesPerStep = options.sentencesPerStep ?? encoder.sentencesPerStep
        self.options = options
        self.encoder = encoder
        self.splitter = splitter
    }

    /// Runs the job to completion.
    ///
    /// - Parameters:
    ///   - run: Lets another thread stop the job inside a run of the model; made by the model's `makeRunOptions`.
    ///   - observer: Called with the job's progress. If it throws, the job stops and keeps the rows that are done.
    /// - Throws: ``DamaError/cancelled`` if the job was stopped; ``DamaError/Code/io`` for files that cannot be read or
    ///   written, or an output that is in use; ``DamaError/Code/invalidArgument`` for invalid options, and for an
    ///   unfinished or finished output of another job; ``DamaError/Code/model`` if more rows were rejected than
    ///   allowed, or all of them.
    @discardableResult
    public func run(
        run: RunOptions? = nil, observer: @escaping (JobProgress) throws(DamaError) -> Void = { _ in }
    ) throws(DamaError) -> ScoreSummary {
        try options.check()
        var rows = options.rows
        rows.output = Self.output(of: options)
        let job = try RowJob(rows, ScoreReport(options: options)) { total in
            options.shard?.rows(of: total, unit: options.partRows) ?? 0..<total
        }
        return try job.run(observer: observer) { (contents, root) throws(DamaError) in
            let settings = JSON.settings(
                job: "score", contents,
                ["model": .string(try encoder.fingerprint), "splitter": .string(splitter.name)],
                ScoreOptions.table, options, root)
            guard let shard = options.shard else { return settings }
            return ScoreMerge.settings(settings, of: shard, rows: contents.rowCount)
        } task: { (root, folder, state) throws(DamaError) in
            let cache = try EmbeddingCache(
                path: folder.file("embeddings"), dimension: encoder.dimension, byteLimit: options.cacheBytes,
                stored: state)
            return ScoreTask(
                preparation: ScorePreparation(
                    encoder: encoder, splitter: splitter, root: root, options: options, cache: cache),
                run: run)
        }
    }
}
