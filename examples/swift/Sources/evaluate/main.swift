// The metrics of a model's answers to a benchmark, from Swift: POPE with questions about pictures of the embedded world.
//
//     swift run --package-path examples/swift evaluate SET.json ANSWERS.jsonl FOLDER
//
// After a stop or a kill, the same command resumes.
// example arguments: examples/data/shapes/pope/coco_pope_random.json examples/data/shapes/pope/answers.jsonl OUTPUT
import Dama

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count == 3 else { fatalError("usage: evaluate SET.json ANSWERS.jsonl FOLDER") }
let (folder, data) = (arguments[2], arguments[2] + "/pope")

do {
    for file in try EvaluationData.prepare(benchmark: "pope", from: [arguments[0]], to: data).missing {
        print("not there: \(file.name), \(file.purpose)")
    }
    // The questions in the form that GenerateJob answers.
    try EvaluationQuestions.write(benchmark: "pope", data: data, to: folder + "/questions.jsonl")

    let options = EvaluateOptions(
        benchmark: "pope", responses: arguments[1], data: data, output: folder + "/results.jsonl")
    let summary = try EvaluateJob(options).run { progress in
        // Throwing DamaError.cancelled here would stop the job.
        if progress.phase == .computing { print("\(progress.rowsDone) of \(progress.rowsTotal) rows") }
    }
    print("\(summary.answered) of \(summary.questions) questions answered")
    for metric in summary.values { print(metric.name, metric.official ?? "undefined") }
} catch {
    print("failed: \(error)")
}
