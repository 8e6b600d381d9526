// Training over a dataset of preference pairs, from Swift: checkpoints, metrics, and the model as Hugging Face keeps it.
//
//     swift run --package-path examples/swift train-dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT OUTPUT_DIR
//
// Stopped or killed, it goes on from its last checkpoint and ends with the same weights.
// example arguments: models/shapes-llava examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT/run
import Dama

let arguments = CommandLine.arguments
guard arguments.count == 5 else { fatalError("usage: train-dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT OUTPUT_DIR") }
var options = TrainOptions(data: arguments[2], output: arguments[4])
options.imageRoot = arguments[3]
options.trainable = .projector
options.optimizer.learningRate = 1e-3
options.method.keep = .count(3)
options.batchSize = 4
options.epochs = 1
let summary = try TrainJob(options, policy: Policy(directory: arguments[1])).run { event in
    switch event {
    case .reference(let progress): print("reference: \(progress.rowsDone) of \(progress.rowsTotal) rows")
    case .progress(let progress):
        print("batch \(progress.batch) of \(progress.batches): loss \(progress.metrics?.loss ?? .nan)")
    case .notice(let text): print(text)
    }
}
print("\(summary.steps) steps over \(summary.pairs) pairs; \(summary.exported ?? "nothing exported")")
