// Sub-sentences from your own program, from Swift: it reads a response and writes one sub-sentence on each line. If an
// answer fails the check, the built-in rules split the response, and a flag says so.
//
//     swift run --package-path examples/swift splitter [COMMAND [TEXT]]
//
// In place of CommandWriter, EndpointWriter asks a model on an OpenAI-compatible server, and PolicyWriter asks a model
// in this process.
import Dama

let arguments = CommandLine.arguments
let command = arguments.count > 1 ? arguments[1] : "sed 's/ and /\\n/g'"
let text =
    arguments.count > 2
    ? arguments[2] : "A yellow ring is below a black star and a large green square is at the centre."

let splitter = try LanguageModelSplitter(CommandWriter(command), cache: SplitCache())
let found = try splitter.split(text, limit: .unlimited)
for part in found.subSentences { print("- \(part)") }
print("flags: \(found.flags)")
