import ArgumentParser
import CommandLineSupport
import Dama

/// The files of a command that goes through a dataset's rows.
struct DatasetArguments: ParsableArguments {
    @Option(help: ArgumentHelp("The dataset: JSON Lines or one JSON array.", valueName: "file"))
    var data: String
    @Option(help: ArgumentHelp("Where the results go, as JSON Lines.", valueName: "file"))
    var out: String
}

/// What every command that goes through a dataset's rows takes.
struct RowJobArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Folder that image paths are relative to and cannot leave (default: the dataset's).", valueName: "dir"))
    var imageRoot: String?
    @Flag(help: "Follow symbolic links that lead out of the image root.")
    var followSymlinks = false
    @Option(
        help: ArgumentHelp(
            "Another name for a field, as in chosen=answer_good; may be repeated. The fields are "
                + "\(FieldNames.Field.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "field=name"))
    var field: [String] = []
    @Option(help: ArgumentHelp("Stop when more rows than this are bad.", valueName: "n"))
    var maxBad: Int?
    @Option(help: ArgumentHelp("Threads for reading and decoding; 0 for as many as processors.", valueName: "n"))
    var workers = 0
    @Option(
        help: ArgumentHelp(
            "Rows computed together, and lost at most when killed (default: 32 for score, 8 with a policy).",
            valueName: "rows"))
    var batch: Int?
    @Option(help: ArgumentHelp("The most bytes of one row, in MiB.", valueName: "mib"))
    var rowLimit = 8
    @Option(help: ArgumentHelp("The most bytes of one image file, in MiB.", valueName: "mib"))
    var imageLimit = 64
    @Flag(help: "Begin again: forget what is unfinished, replace what an earlier job wrote.")
    var restart = false
    @Option(
        help: ArgumentHelp(
            "Any option of the job by its name in C and Python, as in cache_bytes=0; may be repeated. Wins over the "
                + "option's flag.", valueName: "name=value"))
    var set: [String] = []
    @Flag(help: "Show no progress.")
    var quiet = false

    /// Sets the job's options: those of every job over rows, then those that `--set` names.
    func fill<Options: RowJobSettings>(
        _ options: inout Options, by table: SettingsTable<Options>
    ) throws(DamaError) {
        try fill(&options.rows)
        try NamedSettings.apply(set, to: &options, by: table)
    }

    private func fill(_ rows: inout RowJobOptions) throws(DamaError) {
        rows.maximumRejected = maxBad
        rows.workers = workers
        if let batch { rows.blockRows = batch }
        rows.rowLimit = try Self.bytes(rowLimit, "--row-limit", from: 1)
        rows.imageByteLimit = try Self.bytes(imageLimit, "--image-limit", from: 1)
        rows.imageRoot = imageRoot
        rows.followsLinks = followSymlinks
        rows.fields = try FieldNames(mappings: field)
        rows.restart = restart
    }

    static func bytes(_ mebibytes: Int, _ name: String, from least: Int) throws(DamaError) -> Int {
        guard (least...1 << 20).contains(mebibytes) else {
            throw .invalidArgument("\(name): expected \(least) to \(1 << 20) MiB, found \(mebibytes)")
        }
        return mebibytes << 20
    }

    /// What became of the rows and where it is, once a job that makes a line of each has ended.
    static func report(
        _ summary: LineJobSummary, cut: String, _ paths: JobPaths
    ) throws(DamaError) {
        if summary.wasComplete { try StandardOutput.writeLine("already done; --restart does it again") }
        var line = "\(summary.rows - summary.rowsRejected) of \(summary.rows) rows"
        if summary.rowsRejected > 0 { line += ", rejected \(summary.rowsRejected) (see \(paths.rejects))" }
        if summary.rowsCut > 0 { line += ", \(cut) \(summary.rowsCut)" }
        try StandardOutput.writeLine("\(line)\n\(paths.output)  \(paths.summary)")
    }

    /// Shows a job's progress, unless told not to, and stops it at a signal.
    func observer(_ display: ProgressDisplay) -> (JobProgress) throws(DamaError) -> Void {
        let quiet = quiet
        return { progress throws(DamaError) in
            if Interruption.signalNumber != nil { throw .cancelled }
            if !quiet { display.show(progress) }
        }
    }
}
