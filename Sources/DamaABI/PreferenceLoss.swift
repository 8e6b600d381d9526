import CDama
import Dama

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

@c @implementation
public func dama_loss_evaluate(
    _ loss: dama_loss, _ parameter: Double, _ margins: UnsafePointer<Double>?, _ beta: UnsafePointer<Double>?,
    _ count: Int, _ values: UnsafeMutablePointer<Double>?, _ derivatives: UnsafeMutablePointer<Double>?
) -> dama_status {
    guarded {
        let loss = try preferenceLoss(loss, parameter)
        let margins = try buffer(margins, count, "margins")
        let beta = try buffer(beta, count, "beta")
        for index in 0..<count {
            guard margins[index].isFinite else {
                throw DamaError.invalidArgument("margin \(index) is \(margins[index]); it must be finite")
            }
            guard beta[index] > 0, beta[index].isFinite else {
                throw DamaError.invalidArgument("beta \(index) is \(beta[index]); it must be positive")
            }
        }
        for index in 0..<count {
            let (value, derivative) = loss.evaluate(margin: margins[index], beta: beta[index])
            values?[index] = value
            derivatives?[index] = derivative
        }
    }
}

/// The loss of a C enumerator and its parameter, checked.
func preferenceLoss(_ loss: dama_loss, _ parameter: Double) throws -> PreferenceLoss {
    let it = PreferenceLoss(try choice(loss.rawValue, "loss"), parameter: parameter)
    try it.validate()
    return it
}

/// The Swift case whose raw value a C enumerator has.
func choice<T: RawRepresentable<UInt32>>(_ rawValue: UInt32, _ name: String) throws -> T {
    guard let value = T(rawValue: rawValue) else {
        throw DamaError.invalidArgument("\(name) \(rawValue) is unknown")
    }
    return value
}
