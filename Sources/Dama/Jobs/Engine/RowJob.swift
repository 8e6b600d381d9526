import DamaSupport

/// Options of every job over the rows of a dataset.
public struct RowJobOptions: Sendable {
    /// The dataset: JSON Lines or one JSON array.
    public var data: String
    /// Where the results go, as JSON Lines. Files beside it take its name: see ``JobPaths``.
    public var output: String
    /// Rows that are computed together. The results' last bits may depend on it.
    public var blockRows = 32
    /// The most bytes of one row.
    public var rowLimit = 8 << 20
    /// Threads for the work beside the model; 0 for as many as there are processors.
    public var workers = 0
    /// The job stops at one rejected row more than this; `nil` for never.
    public var maximumRejected: Int?
    /// Forgets what an earlier run left, and replaces its output.
    public var restart = false

    public init(data: String, output: String) {
        self.data = data
        self.output = output
    }

    func check() throws(DamaError) {
        guard !data.isEmpty else { throw .invalidArgument("no dataset was named") }
        guard !output.isEmpty else { throw .invalidArgument("no output file was named") }
        guard (1...4096).contains(blockRows) else {
            throw .invalidArgument("rows in a block: expected 1 to 4096, found \(blockRows)")
        }
        guard rowLimit >= 1 else {
            throw .invalidArgument("the limit for one row has to be at least 1 byte, found \(rowLimit)")
        }
        guard workers >= 0 else { throw .invalidArgument("the number of workers cannot be negative, found \(workers)") }
        if let maximumRejected, maximumRejected < 0 {
            throw .invalidArgument("the most bad rows cannot be negative, found \(maximumRejected)")
        }
    }
}

/// The machinery of a job over rows: reads ahead, prepares on workers, stores blocks, tells how far it is.
enum RowJob {
    /// Reads the dataset through once. What comes of it says later whether it is still the same dataset.
    static func scan(
        _ options: RowJobOptions, _ progress: inout ProgressReporter
    ) throws(DamaError) -> DatasetContents {
        var reader = try RowReader(path: options.data, rowLimit: options.rowLimit)
        try progress.report()
        var rows = 0
        while try reader.next() != nil {
            rows += 1
            if rows % 8192 == 0 { try progress.report() }
        }
        return reader.contents
    }

    /// Computes the rows that the journal does not hold yet.
    static func run(
        _ task: inout some RowTask, _ options: RowJobOptions, contents: DatasetContents, journal: inout RowJournal,
        _ progress: inout ProgressReporter
    ) throws(DamaError) {
        try progress.beginComputing(
            rowsTotal: contents.rowCount, rowsResumed: journal.rowCount, rowsRejected: journal.rejectedCount)
        try checkRejected(journal, options)
        try checkImages(journal, task.root) { () throws(DamaError) in try progress.report() }
        guard journal.rowCount < contents.rowCount else { return }
        guard journal.rowCount % options.blockRows == 0 else {
            throw .internal("\(journal.path) ends inside a block, at row \(journal.rowCount)")
        }
        let stop = StopSignal()
        let source = try BlockSource(
            task.makePreparer(stop: stop), options, contents, from: journal.rowCount, stop: stop)
        defer { source.close() }
        // Rows may take long to prepare, such as where a server is to split them: who wants to stop is heard then too.
        while let prepared = try source.next(waiting: { () throws(DamaError) in try progress.report() }) {
            guard journal.rowCount < contents.rowCount else { throw source.changed }
            let outcomes = try task.process(prepared.block) { () throws(DamaError) in try progress.report() }
            guard outcomes.count == prepared.rowCount else {
                throw .internal("\(prepared.rowCount) rows gave \(outcomes.count) outcomes")
            }
            try task.commit()
            let block = BlockOutcome(rows: outcomes, state: task.state, images: prepared.block.stamps)
            try journal.append(block)
            progress.add(rows: outcomes.count, rejected: block.rejectedCount)
            try progress.report()
            try checkRejected(journal, options)
        }
    }

    /// Refuses to go on where an image of a row that is done is not what it was: the dataset's hash does not tell.
    private static func checkImages(
        _ journal: borrowing RowJournal, _ root: ImageRoot, _ checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) {
        var row = 0
        // Rows that share an image mostly follow each other.
        var seen = Set<ExactText>()
        try journal.forEachBlock { block throws(DamaError) in
            for image in block.images {
                row += 1
                guard let image, seen.insert(ExactText(image.path)).inserted else { continue }
                do throws(DamaError) {
                    try root.verify(image)
                } catch {
                    guard error.code == .invalidArgument else { throw error }
                    throw .invalidArgument(
                        "row \(row) was computed from another image: \(error.message); put it back as it was, or restart "
                            + "the job")
                }
            }
            guard seen.count > 4096 else { return }
            seen.removeAll(keepingCapacity: true)
            try checkpoint()
        }
    }

    private static func checkRejected(_ journal: borrowing RowJournal, _ options: RowJobOptions) throws(DamaError) {
        guard let limit = options.maximumRejected, journal.rejectedCount > limit else { return }
        throw .model(
            "\(journal.rejectedCount) of \(journal.rowCount) rows were rejected, more than the \(limit) allowed")
    }
}
