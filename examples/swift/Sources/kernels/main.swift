// Log-probabilities of tokens, their gradient, clipping and AdamW in the program's own memory, from Swift: a table of
// logits learns to predict one token in each row.
//
//     swift run --package-path examples/swift kernels
import Dama

let rows = 8
let vocabulary = 1000
let steps: UInt64 = 20
// Row 0 has no token.
let labels = (0..<rows).map { $0 == 0 ? TokenLogProbabilities.ignoredLabel : Int64($0 * 97) }
// The loss is −log π of the labels, so each log-probability has the weight −1.
let weights = [Float](repeating: -1, count: rows)
var logits = [Float](repeating: 0, count: rows * vocabulary)
var gradients = logits
var firstMoments = logits
var secondMoments = logits
var logProbabilities = [Float](repeating: 0, count: rows)
var normalizers = logProbabilities

let schedule = try LearningRateSchedule(.cosine, learningRate: 1, totalSteps: steps, warmUp: .ratio(0.1))
var optimizer = AdamW(learningRate: 1)
for step in 0..<steps {
    try TokenLogProbabilities.forward(
        logits: logits, rows: rows, vocabulary: vocabulary, labels: labels, logProbabilities: &logProbabilities,
        normalizers: &normalizers)
    try TokenLogProbabilities.backward(
        logits: logits, rows: rows, vocabulary: vocabulary, labels: labels, normalizers: normalizers, weights: weights,
        gradient: &gradients)
    let norm = try GradientNorm.sumOfSquares(gradients, count: gradients.count).squareRoot()
    optimizer.learningRate = schedule.rate(at: step)
    optimizer.gradientScale = GradientNorm.clippingScale(norm: norm, limit: 1)
    try optimizer.update(
        step: step + 1, parameters: &logits, gradients: gradients, firstMoments: &firstMoments,
        secondMoments: &secondMoments)
    if step % 5 == 0 { print("step \(step): loss \(-logProbabilities.reduce(0, +)), gradient norm \(norm)") }
}
print("last loss \(-logProbabilities.reduce(0, +))")
