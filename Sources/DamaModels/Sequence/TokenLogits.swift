import DamaKernels
import DamaRuntime
import DamaSupport

/// Log-probabilities of given tokens from logits on the host, and their gradient. Each takes one pass over the logits;
/// a graph takes five passes and keeps a second matrix.
package struct TokenLogits {
    /// log π of each row's token.
    package let logProbabilities: [Float]
    private let logits: TensorValue
    private let targets: [Int64]
    private let normalizers: [Float]

    /// - Parameters:
    ///   - logits: [rows, vocabulary].
    ///   - targets: [rows]
    /// - Throws: ``DamaError/Code/invalidArgument`` for a target outside the vocabulary.
    package init(_ logits: TensorValue, targets: [Int64]) throws(DamaError) {
        let (rows, vocabulary) = try Self.sizes(logits, targets)
        var found = [Float](repeating: 0, count: rows)
        var normalizers = found
        try logits.withElements(of: Float.self) { all throws(DamaError) in
            guard let start = all.baseAddress else { return }
            try TokenLogProbabilities.forward(
                logits: start, rows: rows, vocabulary: vocabulary, labels: targets, logProbabilities: &found,
                normalizers: &normalizers, threads: logits.runtime.threads)
        }
        (self.logits, self.targets, self.logProbabilities, self.normalizers) = (logits, targets, found, normalizers)
    }

    private init(logits: TensorValue, targets: [Int64], logProbabilities: [Float], normalizers: [Float]) {
        (self.logits, self.targets, self.logProbabilities, self.normalizers) =
            (logits, targets, logProbabilities, normalizers)
    }

    /// Some of the rows, in the same memory.
    package func part(_ rows: Range<Int>) throws(DamaError) -> TokenLogits {
        TokenLogits(
            logits: try logits.part(rows), targets: Array(targets[rows]),
            logProbabilities: Array(logProbabilities[rows]), normalizers: Array(normalizers[rows]))
    }

    /// The gradient of Σ weight · log π with respect to the logits.
    ///
    /// - Parameters:
    ///   - weights: [rows]
    ///   - inPlace: the gradient overwrites the logits, which cannot be used afterwards.
    package func gradient(_ weights: [Float], inPlace: Bool) throws(DamaError) -> TensorValue {
        let (rows, vocabulary) = try Self.sizes(logits, targets)
        guard weights.count == rows else { throw .internal("\(weights.count) weights for \(rows) rows of logits") }
        let gradient = inPlace ? logits : try TensorValue(logits.runtime, allocating: .float32, shape: logits.shape)
        try logits.withElements(of: Float.self) { all throws(DamaError) in
            try gradient.withMutableElements(of: Float.self) { target throws(DamaError) in
                guard let from = all.baseAddress, let to = target.baseAddress else { return }
                try TokenLogProbabilities.backward(
                    logits: from, rows: rows, vocabulary: vocabulary, labels: targets, normalizers: normalizers,
                    weights: weights, gradient: to, threads: logits.runtime.threads)
            }
        }
        return gradient
    }

    private static func sizes(_ logits: TensorValue, _ targets: [Int64]) throws(DamaError) -> (Int, Int) {
        guard logits.shape.count == 2, logits.shape[0] == targets.count else {
            throw .internal("logits of shape \(logits.shape) for \(targets.count) tokens")
        }
        return (logits.shape[0], logits.shape[1])
    }
}
