import DamaModels
import DamaRuntime
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
    /// - Parameters:
    ///   - run: by which another thread stops the job inside a run of the model; `makeRunOptions` of the model has it.
    ///   - observer: told how far it is. What it throws stops the job, which keeps what is done.
    /// - Throws: ``DamaError/cancelled`` where it was stopped; ``DamaError/Code/io`` for files that cannot be read or written, or an output that is in use;
    ///   ``DamaError/Code/invalidArgument`` for options that make no sense, and for an unfinished or finished output of
    ///   another job; ``DamaError/Code/model`` where more rows were rejected than allowed, or all were.
    @discardableResult
    public func run(
        run: RunOptions? = nil, observer: @escaping (JobProgress) throws(DamaError) -> Void = { _ in }
    ) throws(DamaError) -> ScoreSummary {
        try options.check()
        return try RowJob(options.rows, ScoreReport(options: options)).run(observer: observer) {
            (contents, root) throws(DamaError) in
            .settings(
                job: "score", contents,
                ["model": .string(try encoder.fingerprint), "splitter": .string(splitter.name)],
                ScoreOptions.table, options, root)
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
