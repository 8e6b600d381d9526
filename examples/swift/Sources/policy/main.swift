// Log-probabilities of a preference pair, and text printed while it is generated, from Swift.
//
//     swift run --package-path examples/swift policy MODEL_DIR IMAGE [PROMPT]
//
// example arguments: models/shapes-llava examples/data/shapes/images/00000.jpg
import Dama

guard CommandLine.arguments.count >= 3 else { fatalError("usage: policy MODEL_DIR IMAGE [PROMPT]") }
let image = ImageSource.path(CommandLine.arguments[2])
let prompt = CommandLine.arguments.count > 3 ? CommandLine.arguments[3] : "What is in this image?"

let policy = try Policy(directory: CommandLine.arguments[1])
let pair = PreferencePair(
    image: image, prompt: prompt, chosen: "The black circle at the top left is small.",
    rejected: "The red star at the centre is large.")
let found = try policy.logProbabilities([pair])[0]
for (name, response) in [("chosen", found.chosen), ("rejected", found.rejected)] {
    print("\(name): \(response.sum) over \(response.count) tokens, \(response.mean) each")
}

var options = GenerationOptions()
options.maximumTokens = 64
let texts = try policy.generate([GenerationRequest(image: image, prompt: prompt)], options, stop: ["\n\n"]) { _, text in
    print(text, terminator: "")
}
print("\n(\(texts[0].tokens.count) tokens, ended by \(texts[0].finish))")
