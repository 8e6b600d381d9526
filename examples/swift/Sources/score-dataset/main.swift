// Hardness of a dataset of preference pairs, from Swift.
//
//     swift run --package-path examples/swift score-dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT SCORES.jsonl
//
// After a stop or a kill, the same command resumes.
// example arguments: models/shapes-clip examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT/scores.jsonl
import Dama

let arguments = CommandLine.arguments.dropFirst()
guard arguments.count == 4, let model = arguments.first, let output = arguments.last else {
    fatalError("usage: score-dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT SCORES.jsonl")
}
var options = ScoreOptions(data: arguments[arguments.startIndex + 1], output: output)
options.imageRoot = arguments[arguments.startIndex + 2]

do {
    let encoder = try DualEncoder(directory: model)
    let summary = try ScoreJob(options, encoder: encoder).run { progress in
        // Throwing DamaError.cancelled here would stop the job.
        if progress.phase == .computing { print("\(progress.rowsDone) of \(progress.rowsTotal) rows") }
    }
    print("\(summary.rowsScored) scored, \(summary.rowsRejected) rejected, mean δ \(summary.meanDelta)")
    for (level, value) in zip(ScoreSummary.quantileLevels, summary.quantiles) { print("quantile \(level): \(value)") }
} catch {
    print("failed: \(error)")
}
