import DamaSupport

/// A job over the rows of a dataset, from its options to its results: it reads ahead, prepares rows on workers, stores
/// blocks, reports progress, and lets its report write the results.
struct RowJob<Report: RowReport> {
    private let options: RowJobOptions
    private let report: Report
    /// The rows to compute, given how many the dataset has.
    private let part: @Sendable (Int) -> Range<Int>

    /// - Parameter part: The rows to compute, given how many the dataset has. They begin at a multiple of the rows of a
    ///   block.
    init(
        _ options: RowJobOptions, _ report: Report, part: @escaping @Sendable (Int) -> Range<Int> = { 0..<$0 }
    ) throws(DamaError) {
        try options.check()
        self.options = options
        self.report = report
        self.part = part
    }

    /// Runs the job to completion. It throws the errors of ``ScoreJob/run(run:observer:)``.
    ///
    /// - Parameters:
    ///   - settings: Everything that the outcomes of the rows depend on, for a dataset of these contents.
    ///   - task: Makes the task that computes the rows, with the state that the journal has after its last block.
    func run(
        observer: @escaping (JobProgress) throws(DamaError) -> Void,
        settings: (DatasetContents, ImageRoot) throws(DamaError) -> JSON,
        task makeTask: (ImageRoot, borrowing ResultFolder, [UInt8]) throws(DamaError) -> Report.Task
    ) throws(DamaError) -> Report.Summary {
        var paths = JobPaths(output: options.output, hasRun: Report.hasRunFile)
        paths.page = report.page
        let folder = try ResultFolder(paths, data: options.data, restart: options.restart)
        let root = try ImageRoot(options)
        var progress = ProgressReporter(observer: observer)
        let contents = try scan(&progress)
        guard contents.rowCount > 0 else { throw .invalidArgument("\(options.data) holds no rows") }
        let part = part(contents.rowCount)
        let settings = try settings(contents, root)
        let finalSettings = JSON.object(JSONObject((settings.object?.members ?? []) + report.settings))
        if !folder.isBegun, !options.restart, let json = try paths.finishedSummary(finalSettings) {
            guard let summary = report.summary(json) else { throw paths.changed }
            try folder.clear()
            try writePage(paths)
            return summary
        }
        var journal = try RowJournal(path: folder.file("journal"), settings: settings)
        var task = try makeTask(root, folder, journal.state)
        do throws(DamaError) {
            try compute(&task, part, of: contents, journal: &journal, &progress)
        } catch {
            // If the job fails because too many rows were rejected, the user needs to see them.
            if let limit = options.maximumRejected, journal.rejectedCount > limit {
                try place(rejects: rejectsFile(journal, in: folder), in: folder)
                throw DamaError(error.code, "\(error.message); see \(paths.rejects)")
            }
            throw error
        }
        try progress.beginWriting()
        let summary = try write(journal, finalSettings, in: folder) { () throws(DamaError) in try progress.report() }
        if let run = paths.run {
            try Files.writeAtomically(Array("\(report.runFile(progress.current, task).text)\n".utf8), to: run)
        }
        try writePage(paths)
        try folder.clear()
        return summary
    }

    // MARK: Rows

    /// Reads the dataset once. The contents identify it later.
    private func scan(_ progress: inout ProgressReporter) throws(DamaError) -> DatasetContents {
        var reader = try RowReader(options)
        try progress.report()
        var rows = 0
        while try reader.next() != nil {
            rows += 1
            if rows % 8192 == 0 { try progress.report() }
        }
        return reader.contents
    }

    /// Computes the rows that the journal does not hold yet.
    private func compute(
        _ task: inout Report.Task, _ part: Range<Int>, of contents: DatasetContents, journal: inout RowJournal,
        _ progress: inout ProgressReporter
    ) throws(DamaError) {
        try progress.beginComputing(
            rowsTotal: part.count, rowsResumed: journal.rowCount, rowsRejected: journal.rejectedCount)
        try checkRejected(journal)
        try checkImages(journal, from: part.lowerBound, task.root) { () throws(DamaError) in try progress.report() }
        guard journal.rowCount < part.count else { return }
        guard journal.rowCount % options.blockRows == 0 else {
            throw .internal("\(journal.path) ends inside a block, at row \(journal.rowCount)")
        }
        let stop = StopSignal()
        let source = try BlockSource(
            task.makePreparer(stop: stop), options, contents,
            rows: part.lowerBound + journal.rowCount..<part.upperBound, stop: stop)
        defer { source.close() }
        // Preparing rows can take long, for instance if a server splits them: the observer can stop the job here too.
        while let prepared = try source.next(waiting: { () throws(DamaError) in try progress.report() }) {
            guard journal.rowCount < part.count else { throw source.changed }
            let outcomes = try task.process(prepared.block) { () throws(DamaError) in try progress.report() }
            guard outcomes.count == prepared.rowCount else {
                throw .internal("\(prepared.rowCount) rows returned \(outcomes.count) outcomes")
            }
            try task.commit()
            let block = BlockOutcome(rows: outcomes, state: task.state, images: prepared.block.stamps)
            try journal.append(block)
            progress.add(rows: outcomes.count, rejected: block.rejectedCount)
            try progress.report()
            try checkRejected(journal)
        }
    }

    /// Refuses to resume if an image of a completed row has changed: the dataset's hash does not cover images.
    private func checkImages(
        _ journal: borrowing RowJournal, from first: Int, _ root: ImageRoot, _ checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) {
        var row = first
        // Rows that share an image are mostly adjacent.
        var seen = Set<ExactText>()
        try journal.forEachBlock { block throws(DamaError) in
            for files in block.images {
                row += 1
                for image in files where seen.insert(ExactText(image.path)).inserted {
                    do throws(DamaError) {
                        try root.verify(image)
                    } catch {
                        guard error.code == .invalidArgument else { throw error }
                        throw .invalidArgument(
                            "row \(row) was computed from another image: \(error.message); put it back as it was, or "
                                + "restart the job")
                    }
                }
            }
            guard seen.count > 4096 else { return }
            seen.removeAll(keepingCapacity: true)
            try checkpoint()
        }
    }

    private func checkRejected(_ journal: borrowing RowJournal) throws(DamaError) {
        guard let limit = options.maximumRejected, journal.rejectedCount > limit else { return }
        throw .model(
            "\(journal.rejectedCount) of \(journal.rowCount) rows were rejected, more than the \(limit) allowed")
    }

    // MARK: Results

    /// Writes the output, the rejects and the summary.
    func write(
        _ journal: borrowing RowJournal, _ settings: JSON, in folder: borrowing ResultFolder,
        checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> Report.Summary {
        let paths = folder.paths
        let rejects = try rejectsFile(journal, in: folder)
        guard journal.rejectedCount < journal.rowCount || !report.needsRows else {
            // Nothing is kept: once the images are in place, all rows must be read again.
            try place(rejects: rejects, in: folder)
            try folder.clear()
            throw .model(
                "all \(journal.rowCount) rows were rejected; see \(paths.rejects), which begins: \(rejects.firstReason)"
            )
        }
        var output = try ResultFile("output", in: folder)
        let summary = try report.write(journal, to: &output, in: folder, checkpoint: checkpoint)
        let description = try output.seal()
        var file = try ResultFile("summary", in: folder)
        let json = report.json(summary, output: description, rejects: rejects.description, settings: settings)
        try file.append(Array(json.text.utf8) + [UInt8(ascii: "\n")])
        try folder.place([
            ("rejects", paths.rejects, rejects.description), ("output", paths.output, description),
            ("summary", paths.summary, try file.seal()),
        ])
        return summary
    }

    /// Writes the page from the summary file, as a run that finds the job complete does.
    private func writePage(_ paths: JobPaths) throws(DamaError) {
        guard let page = paths.page else { return }
        guard let summary = report.summary(try Files.readJSON(paths.summary)) else { throw paths.changed }
        // Another program may have made a file there meanwhile.
        guard !Files.isThere(page.path) || page.isOwn else { throw paths.foreign(page.path) }
        try Files.writeAtomically(Array(report.pageText(summary).utf8), to: page.path)
    }

    private typealias Rejects = (description: JSON, firstReason: String)

    private func rejectsFile(
        _ journal: borrowing RowJournal, in folder: borrowing ResultFolder
    ) throws(DamaError) -> Rejects {
        var file = try ResultFile("rejects", in: folder)
        var firstReason: String?
        try journal.forEachRow { outcome throws(DamaError) in
            guard case .rejected(let line) = outcome else { return }
            if firstReason == nil { firstReason = (try? JSON(parsing: line))?["reason"]?.string ?? "" }
            try file.append(line + [UInt8(ascii: "\n")])
        }
        return (try file.seal(), firstReason ?? "")
    }

    private func place(rejects: Rejects, in folder: borrowing ResultFolder) throws(DamaError) {
        try folder.place([("rejects", folder.paths.rejects, rejects.description)])
    }
}
