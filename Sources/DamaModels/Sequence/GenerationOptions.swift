import DamaSupport

/// Options that determine how tokens are chosen and where a continuation ends.
public struct GenerationOptions: Sendable {
    public var sampling: SamplingOptions = .greedy
    /// The most tokens of one continuation.
    public var maximumTokens = 256
    /// Tokens that end a continuation, which does not include them; `nil` uses the model's own.
    public var endTokens: [Int32]?
    public var seed: UInt64 = 0
    /// The number of beams of a beam search, 1 to 1024; 1 chooses token by token. More than 1 needs
    /// temperature 0.
    public var beams = 1
    /// A finished beam of n tokens, its end token included, has the score Σ log π / n^lengthPenalty. 0 takes the sum,
    /// and a positive number favours long continuations.
    public var lengthPenalty = 1.0
    public var earlyStopping: EarlyStopping = .no

    public init() {}

    package static let beamRange = 1...1024

    /// Checks the ranges of the fields, without a model.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the field out of range.
    public func validate() throws(DamaError) {
        try sampling.validate()
        guard maximumTokens > 0 else {
            throw .invalidArgument("max_tokens is \(maximumTokens); it must be positive")
        }
        guard Self.beamRange.contains(beams) else {
            throw .invalidArgument(
                "num_beams is \(beams); it must be 1 (no beam search) to \(Self.beamRange.upperBound)")
        }
        guard lengthPenalty.isFinite else {
            throw .invalidArgument("length_penalty is \(lengthPenalty); it must be a finite number")
        }
        guard beams == 1 || sampling.temperature == 0 else {
            throw .invalidArgument(
                "num_beams is \(beams) and the temperature is \(sampling.temperature); "
                    + "beam search does not sample: set temperature 0, or num_beams 1")
        }
    }
}

/// When a beam search ends, once it has as many finished beams as ``GenerationOptions/beams``.
public enum EarlyStopping: String, Sendable, CaseIterable {
    /// If the best running beam, at its length so far, does not exceed the worst finished one.
    case no = "false"
    /// At once.
    case yes = "true"
    /// If the best running beam cannot exceed the worst finished one at any length.
    case never
}

/// Why a continuation ended.
public enum FinishReason: String, Sendable, CaseIterable {
    /// The model produced an end token.
    case endToken = "end_token"
    /// A stop string occurred, or the caller's callback ended it.
    case stop
    /// ``GenerationOptions/maximumTokens`` or the model's positions are used up.
    case length
}
