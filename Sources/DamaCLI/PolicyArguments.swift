import ArgumentParser
import Dama

/// The options of every command that opens a language model.
struct PolicyArguments: ParsableArguments {
    @Option(help: ArgumentHelp("Folder of a model in the Hugging Face layout.", valueName: "dir"))
    var model: String
    @Option(
        help: ArgumentHelp(
            "The chat template: \(ChatTemplate.names.joined(separator: ", ")), a text with the placeholders {question} "
                + "and {response}, and optionally {image}, {system} and {end}, or a .jinja file (default: the model's "
                + "own).", valueName: "name|text|file"))
    var template: String?
    @Option(
        help: ArgumentHelp(
            "What a template that writes today's date gets, so that the result does not depend on the day of the run.",
            valueName: "date"))
    var templateDate = PolicyOptions().templateDate
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The system prompt (default: the template's own).", valueName: "text"))
    var system: String?
    @Option(
        help: ArgumentHelp(
            "How an image becomes square: crop its centre (crop), pad it with the mean colour (pad), or as the model's "
                + "files say (checkpoint)."))
    var imageMode: PolicyOptions.ImageMode = .checkpoint
    @Option(
        help: ArgumentHelp(
            "Folder of the vision tower, for a model in LLaVA's original layout (default: mm_vision_tower of its "
                + "config.json).", valueName: "dir"))
    var visionTower: String?
    @OptionGroup
    var images: ImageArguments
    @Option(help: ArgumentHelp("Threads for inference; 0 for one per processor.", valueName: "n"))
    var threads = 0
    @Option(help: ArgumentHelp("The device that runs the model: cpu, cuda or cuda:N.", valueName: "name"))
    var provider = "cpu"
    @Option(
        help: ArgumentHelp(
            "What the model computes in: float32, bfloat16, float16, or auto, which is float32 on the CPU and bfloat16 "
                + "on CUDA.", valueName: "name"))
    var precision = "auto"
    @Option(
        help: ArgumentHelp(
            "The ONNX Runtime library (default: $DAMA_ONNXRUNTIME, then the system's).", valueName: "file"))
    var onnxruntime: String?

    func options() throws(DamaError) -> PolicyOptions {
        var options = PolicyOptions()
        options.template = template
        options.templateDate = templateDate
        options.system = system
        options.imageMode = imageMode
        options.visionTower = visionTower
        options.imageDecoding = images.decoding
        options.threads = threads
        options.device = try Device(provider)
        options.precision = try Precision.named(precision)
        options.runtimePath = onnxruntime
        return options
    }
}

extension PolicyOptions.ImageMode: ExpressibleByArgument {}
