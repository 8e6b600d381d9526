import ArgumentParser
import CommandLineSupport
import Dama

struct Split: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Split text into self-contained sub-sentences, one per line.",
        discussion: "The text is the argument, or standard input if no argument is given.")

    @Argument(help: "The text.")
    var text: String?
    @Option(
        help: ArgumentHelp(
            "Folder of a CLIP model: sub-sentences over its token limit are split further.", valueName: "dir"))
    var model: String?

    func run() throws {
        var input = text ?? ""
        if text == nil {
            while let line = readLine(strippingNewline: false) { input += line }
        }
        do throws(DamaError) {
            var limit: TokenLimit?
            if let model { limit = TokenLimit(maximum: 77, tokenizer: try Tokenizer(directory: model)) }
            for sentence in try BuiltInSplitter().split(input, limit: limit) { try StandardOutput.writeLine(sentence) }
        } catch {
            Terminal.write("dama split: \(error.message)\n")
            throw ExitCode.failure
        }
    }
}
