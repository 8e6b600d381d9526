import CDamaShims
import DamaSupport
import Glibc

/// Adam with decoupled weight decay (Loshchilov and Hutter, 2019), in place over the caller's arrays.
///
/// With g the gradient times ``gradientScale`` and t the number of the step, counted from 1:
///
///     p ← p (1 − lr · λ)
///     m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²
///     p ← p − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)
///
/// Reads and writes each number once: 28 bytes a parameter. Results do not depend on the number of threads.
public struct AdamW: Equatable, Sendable {
    public var learningRate: Double
    public var beta1 = 0.9
    public var beta2 = 0.999
    public var epsilon = 1e-8
    /// λ; pass 0 for norms and biases.
    public var weightDecay = 0.0
    /// The factor of every gradient: that of global-norm clipping, or one over a loss scale.
    public var gradientScale = 1.0

    public init(learningRate: Double) { self.learningRate = learningRate }

    /// - Throws: ``DamaError/Code/invalidArgument``; the message names the field that is out of range.
    public func validate() throws(DamaError) {
        func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(DamaError) {
            if !condition { throw .invalidArgument(message()) }
        }
        try require(
            learningRate.isFinite && learningRate >= 0, "learning rate is \(learningRate); it must be 0 or more")
        try require(beta1 >= 0 && beta1 < 1, "beta1 is \(beta1); it must be in [0, 1)")
        try require(beta2 >= 0 && beta2 < 1, "beta2 is \(beta2); it must be in [0, 1)")
        try require(epsilon.isFinite && epsilon >= 0, "epsilon is \(epsilon); it must be 0 or more")
        try require(weightDecay.isFinite && weightDecay >= 0, "weight decay is \(weightDecay); it must be 0 or more")
        try require(gradientScale.isFinite, "gradient scale is \(gradientScale); it must be finite")
    }

    /// One update of one array.
    ///
    /// - Parameters:
    ///   - step: t ≥ 1.
    ///   - firstMoments: m, zeros before step 1; `secondMoments`: v, the same.
    ///   - threads: 0 for every processor.
    /// - Throws: ``DamaError/Code/invalidArgument`` for a field out of range or step 0.
    public func update(
        step: UInt64, parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
        firstMoments: UnsafeMutablePointer<Float>, secondMoments: UnsafeMutablePointer<Float>, count: Int,
        threads: Int = 0
    ) throws(DamaError) {
        try update(
            step: step, parameters: parameters, gradients: gradients, firstMoments: firstMoments,
            secondMoments: secondMoments, rounded: nil, count: count, threads: threads)
    }

    /// The same, which also writes the new parameters in another type.
    ///
    /// - Parameter rounded: memory for `count` numbers.
    package func update(
        step: UInt64, parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
        firstMoments: UnsafeMutablePointer<Float>, secondMoments: UnsafeMutablePointer<Float>,
        rounded: RoundedNumbers?, count: Int, threads: Int
    ) throws(DamaError) {
        let numbers = try numbers(step: step)
        guard count >= 0 else { throw .invalidArgument("the number of parameters is \(count); it must be 0 or more") }
        let threads = try Parallel.resolve(threads)
        let level = cdama_kernel_level()
        let memory = Shared((parameters, gradients, firstMoments, secondMoments))
        Parallel.forEachPiece(of: count, pieceSize: 1 << 16, threads: threads) { range in
            let (parameters, gradients, first, second) = memory.pointer
            let start = range.lowerBound
            withUnsafePointer(to: numbers) { numbers in
                cdama_adamw_step_rounded(
                    level, numbers, parameters + start, gradients + start, first + start, second + start,
                    rounded?.rounding ?? CDAMA_ROUND_NOT, rounded?.place(start), range.count)
            }
            if let rounded, rounded.rounding == CDAMA_ROUND_NOT { rounded.write(parameters + start, at: range) }
        }
    }

    /// What a kernel needs of step t.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for a field out of range or step 0.
    package func numbers(step: UInt64) throws(DamaError) -> cdama_adamw {
        try validate()
        guard step >= 1 else { throw .invalidArgument("step is 0; steps are counted from 1") }
        return cdama_adamw(
            keep: Float(1 - learningRate * weightDecay), beta1: Float(beta1), one_minus_beta1: Float(1 - beta1),
            beta2: Float(beta2), one_minus_beta2: Float(1 - beta2),
            step_size: Float(learningRate / (1 - pow(beta1, Double(step)))),
            inverse_root_correction: Float(1 / (1 - pow(beta2, Double(step))).squareRoot()), epsilon: Float(epsilon),
            gradient_scale: Float(gradientScale))
    }

    /// ``update(step:parameters:gradients:firstMoments:secondMoments:count:threads:)`` over arrays.
    ///
    /// - Throws: ``DamaError/Code/shapeMismatch`` for arrays of different lengths.
    public func update(
        step: UInt64, parameters: inout [Float], gradients: [Float], firstMoments: inout [Float],
        secondMoments: inout [Float], threads: Int = 0
    ) throws(DamaError) {
        let count = parameters.count
        guard gradients.count == count, firstMoments.count == count, secondMoments.count == count else {
            throw .shapeMismatch(
                "\(count) parameters, \(gradients.count) gradients, \(firstMoments.count) and "
                    + "\(secondMoments.count) moments")
        }
        // An empty array has no address.
        guard count > 0 else { return }
        try update(
            step: step, parameters: &parameters, gradients: gradients, firstMoments: &firstMoments,
            secondMoments: &secondMoments, count: count, threads: threads)
    }
}

/// Norms of gradients.
public enum GradientNorm {
    /// Σ x² in double. The order of additions depends only on `count`, so any number of threads gives the same bits.
    /// NaN or infinite if any number is.
    public static func sumOfSquares(
        _ values: UnsafePointer<Float>, count: Int, threads: Int = 0
    ) throws(DamaError) -> Double {
        guard count >= 0 else { throw .invalidArgument("the number of values is \(count); it must be 0 or more") }
        let threads = try Parallel.resolve(threads)
        let level = cdama_kernel_level()
        let pieceSize = 1 << 16
        let pieces = (count + pieceSize - 1) / pieceSize
        var sums = [Double](repeating: 0, count: pieces)
        sums.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            let memory = Shared((values, base))
            Parallel.forEachPiece(of: pieces, pieceSize: 1, threads: threads) { range in
                let (values, sums) = memory.pointer
                for piece in range {
                    let start = piece * pieceSize
                    sums[piece] = cdama_sum_of_squares(level, values + start, min(pieceSize, count - start))
                }
            }
        }
        return sums.reduce(0, +)
    }

    /// The ``AdamW/gradientScale`` that clips gradients of this norm to `limit`, as torch's `clip_grad_norm_` does.
    public static func clippingScale(norm: Double, limit: Double) -> Double { min(1, limit / (norm + 1e-6)) }
}
