import Dama

let delta = try Hardness.fromProbabilities(chosen: [20, 25], rejected: [21]).delta
print("Swift", delta)
guard delta > 0.9, delta < 1 else { fatalError("δ is \(delta), expected about 0.96") }
