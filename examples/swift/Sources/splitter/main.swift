// Sub-sentences by a program of one's own, from Swift: it reads a response and writes a sub-sentence on each line. The
// built-in rules split a response whose answer fails the check, and a flag says so.
//
//     swift run --package-path examples/swift splitter [COMMAND [TEXT]]
//
// A model behind an OpenAI-compatible server takes EndpointWriter in place of CommandWriter; one that runs here takes
// PolicyWriter.
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
