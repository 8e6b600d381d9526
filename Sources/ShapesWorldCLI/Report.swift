import ArgumentParser
import CommandLineSupport
import DamaSupport
import ShapesWorld

struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hold hardness from `dama score` against what was planted.")

    @Option(help: "Output of `dama score`: JSON Lines with id and delta.")
    var scores: String
    @Option(help: "truth.jsonl beside the pairs.")
    var truth: String
    @Option(help: "Exit with an error where Spearman's ρ is lower.")
    var minRho: Double?

    func run() throws {
        let report = try HardnessReport(scores: JSONLines.read(scores), truth: JSONLines.read(truth))
        try StandardOutput.writeLine(report.text)
        if let minRho, (report.rho ?? -1) < minRho {
            throw ValidationError("ρ is below \(minRho)")
        }
    }
}
