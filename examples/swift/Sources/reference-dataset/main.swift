// The reference's log-probabilities of a dataset of preference pairs, from Swift: computed once, then looked up.
//
//     swift run --package-path examples/swift reference-dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT REFERENCE.jsonl
//
// After a stop or a kill, the same command resumes.
// example arguments: models/shapes-llava examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT/ref.jsonl
import Dama

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count == 4 else {
    fatalError("usage: reference-dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT REFERENCE.jsonl")
}
var options = ReferenceOptions(data: arguments[1], output: arguments[3])
options.imageRoot = arguments[2]

do {
    let policy = try Policy(directory: arguments[0])
    let summary = try ReferenceJob(options, policy: policy).run { progress in
        // Throwing DamaError.cancelled here would stop the job.
        if progress.phase == .computing { print("\(progress.rowsDone) of \(progress.rowsTotal) rows") }
    }
    print("\(summary.rows - summary.rowsRejected) of \(summary.rows) rows, \(summary.rowsCut) cut")
    // With the policy, opening fails if another model computed the numbers.
    let cache = try ReferenceCache(path: options.output, policy: policy)
    print("\(cache.count) different pairs in the cache")
} catch {
    print("failed: \(error)")
}
