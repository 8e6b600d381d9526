// Token ids of a text and back, and sub-sentences within a token limit, from Swift.
//
//     swift run --package-path examples/swift tokenizer MODEL_DIR [TEXT]
//
// example arguments: models/shapes-llava
import Dama

guard CommandLine.arguments.count >= 2 else { fatalError("usage: tokenizer MODEL_DIR [TEXT]") }
let text =
    CommandLine.arguments.count > 2
    ? CommandLine.arguments[2] : "A yellow ring is below a black star, and there is a large green square."

let tokenizer = try Tokenizer(directory: CommandLine.arguments[1])
let ids = try tokenizer.encode(text)
print(ids.map { "\($0) \(tokenizer.token(of: $0) ?? "?")" }.joined(separator: "\n"))
print("decoded: \(tokenizer.decode(ids))")
let limit = TokenLimit(maximum: 12, tokenizer: tokenizer)
for part in try BuiltInSplitter().split(text, limit: limit) { print("- \(part)") }
