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
