// Training a LLaVA on preference pairs from Swift: low-rank matrices, adaptive β, a few steps.
//
//     swift run --package-path examples/swift train MODEL_DIR IMAGE_FOLDER EXPORT_DIR
//
// example arguments: models/shapes-llava examples/data/shapes/images OUTPUT/adapters
import Dama

let arguments = CommandLine.arguments
guard arguments.count == 4 else { fatalError("usage: train MODEL_DIR IMAGE_FOLDER EXPORT_DIR") }

func pair(_ image: String, _ chosen: String, _ rejected: String, alphaData: Double) -> TrainingPair {
    TrainingPair(
        PreferencePair(
            image: .path("\(arguments[2])/\(image)"), prompt: "Please describe this picture.", chosen: chosen,
            rejected: rejected),
        alphaData: alphaData)
}

// ScoreJob computes α_D for a dataset.
let batch = [
    pair(
        "00000.jpg", "A yellow ring is below a black star. There is a large green square at the centre.",
        "I see a small blue circle at the top left. At the centre there is a large purple square.", alphaData: 1.1),
    pair(
        "00001.jpg", "A large black triangle is at the top right. The top middle shows a large white ring.",
        "There is a large white ring at the middle right. The top left shows a large green ring.", alphaData: 0.9),
    pair(
        "00003.jpg", "I see a large red triangle at the bottom middle.",
        "I see a large red triangle at the bottom right.", alphaData: 1),
]

let base = try Policy(directory: arguments[1])
let policy = try TrainedPolicy(base, .lora(LowRankAdapters(rank: 8, alpha: 16)))
var options = TrainerOptions()
options.optimizer.learningRate = 1e-3
// The base is its own reference, because its weights do not change.
let trainer = try Trainer(policy, reference: base, controller: AdaptiveBeta(.paper), options: options)
for _ in 0..<4 {
    let it = try trainer.step(batch)
    print(
        "step \(it.step): loss \(it.loss), β from \(it.betaMinimum) to \(it.betaMaximum), kept \(it.kept) of "
            + "\(it.pairs), accuracy \(it.accuracy)")
}
try policy.exportAdapters(to: arguments[3])
print("\(arguments[3]) holds the adapters in PEFT's format")
