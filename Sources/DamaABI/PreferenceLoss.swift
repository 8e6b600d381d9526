import CDama
import Dama

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

/// The Swift case with the raw value of a C enumerator.
func choice<T: RawRepresentable<UInt32>>(_ rawValue: UInt32, _ name: String) throws -> T {
    guard let value = T(rawValue: rawValue) else {
        throw DamaError.invalidArgument("\(name) \(rawValue) is unknown")
    }
    return value
}
