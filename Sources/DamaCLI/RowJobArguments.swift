import ArgumentParser
import CommandLineSupport
import Dama

/// The files of a command that processes a dataset's rows.
struct DatasetArguments: ParsableArguments {
    @Option(help: ArgumentHelp("The dataset: JSON Lines or one JSON array.", valueName: "file"))
    var data: String
    @Option(help: ArgumentHelp("The output file, as JSON Lines.", valueName: "file"))
    var out: String
}

/// The options of every command that processes a dataset's rows.
struct RowJobArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Folder that image paths are relative to and cannot leave (default: the dataset's folder).",
            valueName: "dir"))
    var imageRoot: String?
    @Flag(help: "Follow symbolic links that lead out of the image root.")
    var followSymlinks = false
    @Option(
        help: ArgumentHelp(
            "Another name for a field, such as chosen=answer_good; can be repeated. The fields are "
                + "\(FieldNames.Field.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "field=name"))
    var field: [String] = []
    @Option(
        help: ArgumentHelp(
            "The form of the rows: \(RowFormat.allCases.map(\.rawValue).joined(separator: ", ")) (default: auto, each row "
                + "by its fields).", valueName: "name"))
    var dataFormat: RowFormat = .automatic
    @Option(help: ArgumentHelp("Stop when more rows than this are rejected.", valueName: "n"))
    var maxBad: Int?
    @Option(
        help: ArgumentHelp(
            "Threads for reading and decoding; 0 for one per processor, at most 8 (for score on a device, all).",
            valueName: "n"))
    var workers = 0
    @Option(
        help: ArgumentHelp(
            "Rows computed together; at most these are lost when killed (default: 32 for score, else 8).",
            valueName: "rows"))
    var batch: Int?
    @Option(help: ArgumentHelp("The maximum size of one row, in MiB.", valueName: "mib"))
    var rowLimit = 8
    @Option(help: ArgumentHelp("The maximum size of one image file, in MiB.", valueName: "mib"))
    var imageLimit = 64
    @Flag(help: "Start over: discard unfinished work, and replace the files of an earlier job.")
    var restart = false
    @Option(
        help: ArgumentHelp(
            "Any option of the job by its name in C and Python, as in cache_bytes=0; may be repeated. Takes precedence "
                + "over the option's flag.", valueName: "name=value"))
    var set: [String] = []
    @Flag(help: "Do not show progress.")
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
        rows.fields.format = dataFormat
        rows.restart = restart
    }

    static func bytes(_ mebibytes: Int, _ name: String, from least: Int) throws(DamaError) -> Int {
        guard (least...1 << 20).contains(mebibytes) else {
            throw .invalidArgument("\(name): expected \(least) to \(1 << 20) MiB, found \(mebibytes)")
        }
        return mebibytes << 20
    }

    /// Reports the counts and the output files of a job that writes one line per row.
    static func report(
        _ summary: LineJobSummary, cut: String, _ paths: JobPaths
    ) throws(DamaError) {
        if summary.wasComplete { try StandardOutput.writeLine("already done; --restart runs it again") }
        var line = "\(summary.rows - summary.rowsRejected) of \(summary.rows) rows"
        if summary.rowsRejected > 0 { line += ", rejected \(summary.rowsRejected) (see \(paths.rejects))" }
        if summary.rowsCut > 0 { line += ", \(cut) \(summary.rowsCut)" }
        try StandardOutput.writeLine("\(line)\n\(paths.output)  \(paths.summary)")
    }

    /// Shows a job's progress unless `quiet` is set, and stops the job at a signal.
    func observer(_ display: ProgressDisplay) -> (JobProgress) throws(DamaError) -> Void {
        let quiet = quiet
        return { progress throws(DamaError) in
            if Interruption.signalNumber != nil { throw .cancelled }
            if !quiet { display.show(progress) }
        }
    }
}

extension RowFormat: ExpressibleByArgument {}
