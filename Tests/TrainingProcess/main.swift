import Dama
import DamaModels
import DamaSupport
import DamaTraining
import Glibc
import TrainingTestSupport

// TrainingProcess MODEL BATCHES IMAGE KIND OUTPUT [TEMPLATE]: takes three steps and exports to OUTPUT, for tests that
// load the result with other software. IMAGE is empty for a text-only model. KIND is full, lora, or adapters, which is lora with
// only its adapters written. Prints the trained policy's token log-probabilities of the last batch:
// [[chosen, rejected], …].
//
// TrainingProcess events DIRECTORY: writes the scalars of a run that ended after step 4 and resumed at step 3.
let arguments = CommandLine.arguments
guard arguments.count == 6 || arguments.count == 7 || arguments.count == 3 && arguments[1] == "events" else { exit(64) }

func writeEvents() throws(DamaError) {
    let first = try EventFileWriter(directory: arguments[2])
    for step in 0..<5 { try first.add(step: step, scalars: [("loss", Double(step) / 8), ("beta/mean", 0.1)]) }
    let second = try EventFileWriter(directory: arguments[2], resumingAt: 3)
    for step in 3..<6 { try second.add(step: step, scalars: [("loss", 1 + Double(step) / 8)]) }
}

func run() throws(DamaError) -> JSON {
    let image = arguments[3].isEmpty ? nil : ImageSource.path(arguments[3])
    let batches = try TrainingBatches.read(arguments[2], image: image)
    var setup = PolicyOptions()
    if arguments.count == 7 { setup.template = arguments[6] }
    let base = try Policy(directory: arguments[1], options: setup)
    let trainable: Trainable =
        arguments[4] == "full"
        ? .full : .lora(try LowRankAdapters(rank: 4, alpha: 6, targets: ["q_proj", "v_proj", "down_proj"]))
    let policy = try TrainedPolicy(base, trainable)
    var options = TrainerOptions()
    options.optimizer = AdamW(learningRate: 2e-2)
    let trainer = try Trainer(policy, reference: base, controller: AdaptiveBeta(.paper), options: options)
    for batch in batches.prefix(3) { _ = try trainer.step(batch) }
    if arguments[4] == "adapters" {
        try policy.exportAdapters(to: arguments[5])
    } else {
        try policy.export(to: arguments[5])
    }
    var pairs: [PreparedPair] = []
    for pair in batches[batches.count - 1] { pairs.append(try base.prepare(pair.pair)) }
    func list(_ response: ResponseLogProbability) -> JSON { .array(response.tokens.map { .double(Double($0)) }) }
    return .array(try policy.forward(pairs).logProbabilities.map { [list($0.chosen), list($0.rejected)] })
}

do {
    if arguments.count == 3 { try writeEvents() } else { print(try run().text) }
} catch {
    let message = Array("\(error)\n".utf8)
    _ = write(2, message, message.count)
    exit(1)
}
