import ArgumentParser
import Dama

/// How a language model is opened, for every command that uses one.
struct PolicyArguments: ParsableArguments {
    @Option(help: ArgumentHelp("Folder of a LLaVA or Llama model as Hugging Face lays it out.", valueName: "dir"))
    var model: String
    @Option(
        help: ArgumentHelp(
            "How a question becomes a prompt: \(PromptTemplate.names.joined(separator: ", ")), or a text with the places "
                + "{question} and {response}, and {image}, {system} and {end} where wanted (default: the model's own chat "
                + "template, where it is a known one).", valueName: "name|text"))
    var template: String?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The system prompt (default: the template's own).", valueName: "text"))
    var system: String?
    @Option(help: "How an image becomes a square: its middle cut out (crop), or set in its mean colour (pad).")
    var imageMode: ImageMode = .crop
    @OptionGroup
    var images: ImageArguments
    @Option(help: ArgumentHelp("Threads of inference; 0 for one for each processor.", valueName: "n"))
    var threads = 0
    @Option(help: ArgumentHelp("Where the model runs: cpu, cuda or cuda:N.", valueName: "name"))
    var provider = "cpu"
    @Option(
        help: ArgumentHelp(
            "The file of ONNX Runtime (default: $DAMA_ONNXRUNTIME, then the system's).", valueName: "file"))
    var onnxruntime: String?

    enum ImageMode: String, ExpressibleByArgument, CaseIterable { case crop, pad }

    func options() throws(DamaError) -> PolicyOptions {
        var options = PolicyOptions()
        options.template = template
        options.system = system
        options.imageMode = imageMode == .pad ? .pad : .crop
        options.imageDecoding = images.decoding
        options.threads = threads
        options.device = try Device(provider)
        options.runtimePath = onnxruntime
        return options
    }
}
