// Answers to the questions of a dataset, from Swift.
//
//     swift run --package-path examples/swift generate-dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT ANSWERS.jsonl
//
// Stopped or killed, it goes on where it was.
// example arguments: models/shapes-llava examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT/answers.jsonl
import Dama

let arguments = CommandLine.arguments
guard arguments.count == 5 else {
    fatalError("usage: generate-dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT ANSWERS.jsonl")
}
var options = GenerateOptions(data: arguments[2], output: arguments[4])
options.imageRoot = arguments[3]
options.generation.maximumTokens = 16
options.stop = ["."]
let summary = try GenerateJob(options, policy: Policy(directory: arguments[1])).run { progress in
    if progress.phase == .computing { print("\(progress.rowsDone) of \(progress.rowsTotal) rows") }
}
print("\(summary.rows - summary.rowsRejected) questions answered, \(summary.rowsCut) answers ended by length")
