import CDama
import Dama

@c @implementation
public func dama_hardness(
    _ chosenScores: UnsafePointer<Float>?, _ chosenCount: Int,
    _ rejectedScores: UnsafePointer<Float>?, _ rejectedCount: Int,
    _ delta: UnsafeMutablePointer<Double>?
) -> dama_status {
    guarded {
        let delta = try require(delta, "delta")
        let chosen = try copied(chosenScores, chosenCount, "chosen_scores", copies: 6)
        let rejected = try copied(rejectedScores, rejectedCount, "rejected_scores", copies: 6)
        delta.pointee = try Hardness.fromProbabilities(chosen: chosen, rejected: rejected).delta
    }
}

@c @implementation
public func dama_hardness_from_scores(
    _ chosenScores: UnsafePointer<Float>?, _ chosenCount: Int,
    _ rejectedScores: UnsafePointer<Float>?, _ rejectedCount: Int,
    _ delta: UnsafeMutablePointer<Double>?
) -> dama_status {
    guarded {
        let delta = try require(delta, "delta")
        let chosen = try copied(chosenScores, chosenCount, "chosen_scores", copies: 6)
        let rejected = try copied(rejectedScores, rejectedCount, "rejected_scores", copies: 6)
        delta.pointee = try Hardness.fromScores(chosen: chosen, rejected: rejected)
    }
}

@c @implementation
public func dama_alpha_data(
    _ delta: UnsafePointer<Double>?, _ count: Int, _ meanDelta: Double, _ alphaData: UnsafeMutablePointer<Double>?
) -> dama_status {
    guarded {
        let delta = try buffer(delta, count, "delta")
        let alphaData = try buffer(alphaData, count, "alpha_data")
        guard count > 0 else { throw DamaError.invalidArgument("delta is empty") }
        if let bad = delta.firstIndex(where: { !$0.isFinite }) {
            throw DamaError.invalidArgument("delta \(bad) is \(delta[bad]); it must be finite")
        }
        let mean = meanDelta.isNaN ? delta.reduce(0, +) / Double(count) : meanDelta
        guard mean.isFinite else {
            throw DamaError.invalidArgument("mean_delta is \(mean); it must be finite, or NaN for the mean of delta")
        }
        for index in 0..<count { alphaData[index] = Hardness.alphaData(delta: delta[index], meanDelta: mean) }
    }
}

extension Hardness.DeltaSource {
    init(_ source: dama_delta_source) throws(DamaError) {
        switch source {
        case DAMA_DELTA_FROM_PROBABILITIES: self = .probabilities
        case DAMA_DELTA_FROM_SCORES: self = .scores
        default: throw .invalidArgument("delta_source \(source.rawValue) is unknown")
        }
    }
}
