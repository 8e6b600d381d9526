import ArgumentParser
import CommandLineSupport
import Dama

struct Merge: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Join the shards that `dama score --shard i/n` wrote.",
        discussion: """
            Computes the mean of delta, alpha_data and the statistics of all rows, and writes the files that one \
            `dama score` over all rows would write, byte for byte. The shards' files stay.

            Exit codes: 0 done; 1 failed; 64 wrong usage; 130 and 143 stopped by Ctrl-C and SIGTERM.
            """)

    @Argument(
        help: ArgumentHelp(
            "Outputs of the shards, in any order (default: those beside --out, by their names).", valueName: "file"))
    var shards: [String] = []
    @Option(help: ArgumentHelp("The output of the whole, as it was given for each shard.", valueName: "file"))
    var out: String
    @Flag(help: "Replace the files of an earlier job.")
    var restart = false
    @Flag(help: "Do not show progress.")
    var quiet = false

    func run() throws {
        let display = ProgressDisplay()
        do throws(DamaError) {
            Interruption.listen()
            let quiet = quiet
            let summary = try ScoreMerge(output: out, shards: shards, restart: restart).run {
                progress throws(DamaError) in
                if Interruption.signalNumber != nil { throw .cancelled }
                if !quiet { display.show(progress) }
            }
            display.close()
            try Score.report(summary, display.progress, out)
        } catch {
            display.close()
            throw JobFailure.exit("merge", error, display.progress, maxBad: nil)
        }
    }
}
