// A model's answers to the questions of a dataset, from Swift: several samples of each, from a file to a file.
//
//     swift run --package-path examples/swift generate-dataset MODEL_DIR QUESTIONS.jsonl IMAGE_ROOT RESPONSES.jsonl
//
// After a stop or a kill, the same command resumes.
// example arguments: models/shapes-llava examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT/out.jsonl
import Dama

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count == 4 else {
    fatalError("usage: generate-dataset MODEL_DIR QUESTIONS.jsonl IMAGE_ROOT RESPONSES.jsonl")
}
var options = GenerateOptions(data: arguments[1], output: arguments[3])
options.imageRoot = arguments[2]
options.samples = 2
options.generation.maximumTokens = 48
options.generation.sampling = SamplingOptions(temperature: 0.7, topP: 0.95)

do {
    let policy = try Policy(directory: arguments[0])
    let summary = try GenerateJob(options, policy: policy).run { progress in
        // Throwing DamaError.cancelled here would stop the job.
        if progress.phase == .computing { print("\(progress.rowsDone) of \(progress.rowsTotal) rows") }
    }
    print("\(summary.rows - summary.rowsRejected) of \(summary.rows) questions, \(summary.rowsCut) ended by length")
} catch {
    print("failed: \(error)")
}
