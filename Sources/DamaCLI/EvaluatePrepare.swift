import ArgumentParser
import CommandLineSupport
import Dama

struct EvaluatePrepare: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prepare",
        abstract: "Make a benchmark's data folder from downloaded files, and list what is missing.",
        discussion: """
            Nothing is downloaded. Files are recognised by their SHA-256, whatever their names. Without --from the \
            command lists the files that the benchmark needs, with their addresses. It can be repeated: files are added \
            to the folder.

            Exit codes: 0 the data is complete; 1 failed; 4 required files are missing; 64 wrong usage.
            """)

    @OptionGroup(title: "Benchmark")
    var benchmark: BenchmarkArgument
    @Option(
        parsing: .upToNextOption, help: ArgumentHelp("Downloaded files.", valueName: "file"))
    var from: [String] = []
    @Option(help: ArgumentHelp("The folder to make, or to add to.", valueName: "dir"))
    var out: String
    @Flag(help: "Take files of unknown versions by their names. Summaries say so.")
    var anyVersion = false

    func run() throws {
        let isComplete: Bool
        do throws(DamaError) {
            let report = try EvaluationData.prepare(
                benchmark: benchmark.benchmark, from: from, to: out, acceptsAnyVersion: anyVersion)
            for name in report.made { try StandardOutput.writeLine("made     \(out)/\(name)") }
            for name in report.kept { try StandardOutput.writeLine("kept     \(out)/\(name)") }
            for missing in report.missing {
                let kind = missing.isOptional ? "optional" : "missing "
                try StandardOutput.writeLine("\(kind) \(out)/\(missing.name): \(missing.purpose); needs")
                for download in missing.downloads {
                    try StandardOutput.writeLine("    \(download.name) from \(download.address)")
                    for digest in download.sha256 { try StandardOutput.writeLine("        SHA-256 \(digest)") }
                }
            }
            // Where all files are optional, one of them must be there.
            isComplete = !(report.made + report.kept).isEmpty && report.missing.allSatisfy(\.isOptional)
        } catch {
            Terminal.write("dama evaluate prepare: \(error.message)\n")
            throw ExitCode.failure
        }
        if !isComplete { throw ExitCode(4) }
    }
}
