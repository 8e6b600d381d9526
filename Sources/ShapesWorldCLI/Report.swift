import ArgumentParser
import CommandLineSupport
import DamaSupport
import ShapesWorld

struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare hardness from `dama score` with the planted hallucinations.")

    @Option(help: "Output of `dama score`: JSON Lines with id and delta.")
    var scores: String
    @Option(help: "The truth.jsonl of the pairs.")
    var truth: String
    @Option(help: "Exit with an error if Spearman's ρ is lower.")
    var minRho: Double?

    func run() throws {
        let report = try HardnessReport(scores: JSONLines.read(scores), truth: JSONLines.read(truth))
        try StandardOutput.writeLine(report.text)
        if let minRho, (report.rho ?? -1) < minRho {
            throw ValidationError("ρ is below \(minRho)")
        }
    }
}
