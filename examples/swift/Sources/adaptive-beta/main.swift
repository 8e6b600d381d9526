// Adaptive beta over a few batches, in Swift: which pairs are kept, and with which beta.
import Dama

var configuration = AdaptiveBeta.Configuration.paper
configuration.beta = 0.1
configuration.keep = .count(3)
var controller = try AdaptiveBeta(configuration)

// log π(y | I, x) summed over the response's tokens; the policy moves away from the reference, batch by batch.
let referenceChosen: [Double] = [-41, -55, -38, -60]
let referenceRejected: [Double] = [-44, -52, -40, -58]
let gain = [2.0, 0.5, 1.5, 6.0]
let alphaData = [1.02, 0.97, 1.00, 1.05]  // Eq. (7), from the pairs' hardness

for number in 1...3 {
    let step = try controller.step(
        policyChosen: zip(referenceChosen, gain).map { $0 + Double(number) * $1 },
        policyRejected: zip(referenceRejected, gain).map { $0 - Double(number) * $1 },
        referenceChosen: referenceChosen, referenceRejected: referenceRejected, alphaData: alphaData)
    print("step \(number): loss \(step.loss), alpha_M \(step.alphaModel), running mean \(controller.runningMean)")
    print("  kept", step.mask, "beta", step.beta)
    // … backward from step.gradChosen and step.gradRejected, and the optimizer's step …
    try controller.commit()
}

// The state can be stored in a checkpoint.
let resumed = try AdaptiveBeta(state: controller.state())
precondition(resumed.runningMean == controller.runningMean)
