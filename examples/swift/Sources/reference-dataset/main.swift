// The reference's log-probabilities of a dataset of preference pairs, from Swift: computed once, then looked up.
//
//     swift run --package-path examples/swift reference-dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT REFERENCE.jsonl
//
// Stopped or killed, it goes on where it was.
// example arguments: models/shapes-llava examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT/ref.jsonl
import Dama

let arguments = CommandLine.arguments
guard arguments.count == 5 else {
    fatalError("usage: reference-dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT REFERENCE.jsonl")
}
let policy = try Policy(directory: arguments[1])
var options = ReferenceOptions(data: arguments[2], output: arguments[4])
options.imageRoot = arguments[3]
let summary = try ReferenceJob(options, policy: policy).run { progress in
    if progress.phase == .computing { print("\(progress.rowsDone) of \(progress.rowsTotal) rows") }
}
print("\(summary.rows - summary.rowsRejected) rows, \(summary.rowsCut) cut")

// Opened with the reference, so that numbers of another model are refused by name.
let cache = try ReferenceCache(path: arguments[4], policy: policy)
print("\(cache.count) different pairs in the cache")
// A pair is known by its contents: one that changed is not in there.
let other = PreferencePair(image: nil, prompt: "What is this?", chosen: "A circle.", rejected: "A square.")
print("a pair that the dataset does not have: \(try cache.contains(other) ? "in the cache" : "not in the cache")")
