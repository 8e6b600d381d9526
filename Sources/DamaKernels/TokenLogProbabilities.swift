import CDamaShims
import DamaSupport

/// Log-probabilities of given tokens under rows of logits, and their gradient, in one pass over memory each.
///
/// Log-softmax over the whole vocabulary and a gather would keep several arrays of the logits' size. Here each row is
/// read once and leaves two numbers: log π(label) and the normaliser log Σ exp. The backward pass recomputes the
/// softmax from the normaliser, over the logits themselves if wanted.
///
/// Results do not depend on the number of threads. The last bits may depend on the processor's vector instructions.
public enum TokenLogProbabilities {
    /// A row with this label has no token: log-probability 0, gradient 0, and its logits are not read.
    public static let ignoredLabel: Int64 = -100

    /// log π(label) of each row.
    ///
    /// - Parameters:
    ///   - logits: [rows, vocabulary].
    ///   - labels: [rows], in 0 ..< vocabulary or ``ignoredLabel``.
    ///   - logProbabilities: [rows], written.
    ///   - normalizers: [rows], written: log Σ exp(logits), for `backward`; 0 if the label is ignored.
    ///   - threads: 0 for every processor.
    /// - Throws: ``DamaError/Code/invalidArgument`` for a label out of range, before anything is written.
    public static func forward(
        logits: UnsafePointer<Float>, rows: Int, vocabulary: Int, labels: UnsafePointer<Int64>,
        logProbabilities: UnsafeMutablePointer<Float>, normalizers: UnsafeMutablePointer<Float>, threads: Int = 0
    ) throws(DamaError) {
        let threads = try check(rows, vocabulary, labels, threads)
        let level = cdama_kernel_level()
        let memory = Shared((logits, labels, logProbabilities, normalizers))
        Parallel.forEachPiece(of: rows, pieceSize: pieceSize(vocabulary), threads: threads) { range in
            let (logits, labels, logProbabilities, normalizers) = memory.pointer
            for row in range {
                guard labels[row] != ignoredLabel else {
                    logProbabilities[row] = 0
                    normalizers[row] = 0
                    continue
                }
                cdama_logprob_forward(
                    level, logits + row * vocabulary, vocabulary, Int(labels[row]), logProbabilities + row,
                    normalizers + row)
            }
        }
    }

    /// The gradient with respect to the logits: weight · (1[j = label] − exp(logits[j] − normalizer)).
    ///
    /// - Parameters:
    ///   - weights: [rows], the gradient with respect to each row's log-probability; a row with weight 0 costs no
    ///     exponential.
    ///   - gradient: [rows, vocabulary], written; pass `logits` itself to compute the gradient in place.
    /// - Throws: The errors of `forward`.
    public static func backward(
        logits: UnsafePointer<Float>, rows: Int, vocabulary: Int, labels: UnsafePointer<Int64>,
        normalizers: UnsafePointer<Float>, weights: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>,
        threads: Int = 0
    ) throws(DamaError) {
        let threads = try check(rows, vocabulary, labels, threads)
        let level = cdama_kernel_level()
        let memory = Shared((logits, labels, normalizers, weights, gradient))
        Parallel.forEachPiece(of: rows, pieceSize: pieceSize(vocabulary), threads: threads) { range in
            let (logits, labels, normalizers, weights, gradient) = memory.pointer
            for row in range {
                let isIgnored = labels[row] == ignoredLabel
                cdama_logprob_backward(
                    level, logits + row * vocabulary, vocabulary, isIgnored ? 0 : Int(labels[row]), normalizers[row],
                    isIgnored ? 0 : weights[row], gradient + row * vocabulary)
            }
        }
    }

    private static func check(
        _ rows: Int, _ vocabulary: Int, _ labels: UnsafePointer<Int64>, _ threads: Int
    ) throws(DamaError) -> Int {
        guard vocabulary >= 1 else { throw .invalidArgument("the vocabulary is empty") }
        guard rows >= 0, !rows.multipliedReportingOverflow(by: vocabulary).overflow else {
            throw .invalidArgument("\(rows) rows of \(vocabulary) logits are not a valid array size")
        }
        for row in 0..<rows where labels[row] != ignoredLabel {
            guard labels[row] >= 0, labels[row] < vocabulary else {
                throw .invalidArgument(
                    "label \(labels[row]) of row \(row) is outside the vocabulary of \(vocabulary); "
                        + "\(ignoredLabel) marks a row without a token")
            }
        }
        return try Parallel.resolve(threads)
    }

    /// Rows that a thread takes at a time: about 64 KiB of logits, so that small vocabularies are not all overhead.
    private static func pieceSize(_ vocabulary: Int) -> Int { max(1, 16_384 / vocabulary) }
}
