// Trains a LLaVA on a dataset, from Swift: low-rank adapters, checkpoints, metrics, and an exported model at the end.
//
//     swift run --package-path examples/swift train-dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT OUTPUT_FOLDER
//
// After a stop or a kill, the same command resumes from the last checkpoint.
// example arguments: models/shapes-llava examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT
import Dama

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count == 4 else { fatalError("usage: train-dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT OUTPUT_FOLDER") }

do {
    var options = TrainOptions(data: arguments[1], output: arguments[3])
    options.imageRoot = arguments[2]
    options.trainable = .lora(try LowRankAdapters(rank: 8, alpha: 32))
    options.method.beta = 0.1
    options.method.keep = .count(3)
    options.optimizer.learningRate = 2e-3
    options.batchSize = 4
    options.epochs = 1
    let summary = try TrainJob(options, policy: Policy(directory: arguments[0])).run { event in
        // Throwing DamaError.cancelled here would stop the job, which writes a checkpoint first.
        switch event {
        case .notice(let line): print(line)
        case .progress(let it): print("batch \(it.batch) of \(it.batches): loss \(it.metrics?.loss ?? .nan)")
        case .reference: break
        }
    }
    print("\(summary.steps) steps over \(summary.pairs) pairs; the model is in \(summary.exported ?? "no folder")")
} catch {
    print("failed: \(error)")
}
