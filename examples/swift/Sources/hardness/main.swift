// The hardness of a preference pair, from Swift: δ from CLIP scores of the sub-sentences, then α_D of several pairs.
//
//     swift run --package-path examples/swift hardness MODEL_DIR IMAGE
//
// example arguments: models/shapes-clip examples/data/shapes/images/00000.jpg
import Dama

guard CommandLine.arguments.count == 3 else { fatalError("usage: hardness MODEL_DIR IMAGE") }
let chosen = "A yellow ring is below a black star. There is a large green square at the centre."
let rejected = [
    "A yellow ring is below a black star. There is a large purple square at the centre.",
    "A blue star is above a red ring. There is a large purple square at the centre.",
]

let scorer = try Scorer(directory: CommandLine.arguments[1])
var deltas: [Double] = []
for answer in rejected {
    let found = try scorer.hardness(image: .path(CommandLine.arguments[2]), chosen: chosen, rejected: answer)
    for part in found.chosen { print("+ \(part.score)  \(part.text)") }
    for part in found.rejected { print("- \(part.score)  \(part.text)") }
    print("δ \(found.delta)")
    deltas.append(found.delta)
}
let mean = deltas.reduce(0, +) / Double(deltas.count)
for delta in deltas { print("α_D \(Hardness.alphaData(delta: delta, meanDelta: mean))") }
