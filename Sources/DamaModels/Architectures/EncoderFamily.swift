import DamaGraph
import DamaImage
import DamaRuntime
import DamaSupport
import DamaText

/// A family of image-text models for scoring: opens its towers.
///
/// To add one, add its folder next to the others and its type to ``Encoders/all``.
protocol EncoderFamily: Sendable {
    /// The family's values of `model_type` in config.json; empty for a layout without it.
    static var modelTypes: [ModelType] { get }

    static func open(_ opening: EncoderOpening) throws(DamaError) -> any EncoderTowers
    static func tokenizer(_ directory: String) throws(DamaError) -> Tokenizer
    static func processor(_ directory: String) throws(DamaError) -> ImageProcessor
}

extension EncoderFamily {
    static func tokenizer(_ directory: String) throws(DamaError) -> Tokenizer { try Tokenizer(directory: directory) }
    static func processor(_ directory: String) throws(DamaError) -> ImageProcessor {
        try ImageProcessor(directory: directory)
    }
}

/// The inputs that a family opens its towers with.
struct EncoderOpening {
    var directory: String
    var tokenizer: Tokenizer
    var runtime: OnnxRuntime
    var session: SessionOptions
    /// `nil` for the device's usual one.
    var precision: Precision?
    /// exp(logit_scale) for files that do not hold it.
    var logitScale: Float?

    /// The weights of `store` in the precision of this model.
    func weights(_ store: WeightStore) throws(DamaError) -> ModelWeights {
        ModelWeights.shared(store, runtime, precision: try resolvedPrecision)
    }

    /// The kernels that its graphs are written with.
    var kernels: GraphKernels {
        get throws(DamaError) { GraphKernels(on: session.device, try resolvedPrecision) }
    }

    private var resolvedPrecision: Precision {
        get throws(DamaError) { try Precision.resolve(precision, on: session.device) }
    }
}

/// The supported image-text models.
enum Encoders {
    static let all: [any EncoderFamily.Type] = [CLIPEncoders.self, SiglipEncoders.self, OpenCLIPEncoders.self]

    /// The family of the model in `directory`.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for any other `model_type`, with a list of the supported ones.
    static func family(of directory: String) throws(DamaError) -> any EncoderFamily.Type {
        let path = "\(directory)/config.json"
        if OpenCLIPEncoders.describes(directory) { return OpenCLIPEncoders.self }
        // ONNX files may come without it.
        guard Files.exists(path) || CLIPOnnxTowers.files(in: directory) == nil else { return CLIPEncoders.self }
        let config = try ConfigReader(path: path)
        let architectures = config.json["architectures"]?.array?.compactMap(\.string) ?? []
        let type = try config.string("model_type", default: architectures.contains("CLIPModel") ? "clip" : "")
        for family in all where family.modelTypes.contains(where: { $0.name == type }) { return family }
        guard type != "siglip2" else {
            throw .unsupported(
                "\(path): model_type is \"siglip2\", whose images have any shape (NaFlex), which is not supported; use "
                    + "a SigLIP 2 of a fixed size, whose model_type is \"siglip\"")
        }
        let known = all.flatMap { $0.modelTypes }.map { "\"\($0.name)\" (\($0.className))" }.joined(separator: ", ")
        let found = type.isEmpty ? "is missing" : "is \"\(type)\""
        throw .unsupported("\(path): model_type \(found); scoring supports \(known), and OpenCLIP's layout")
    }
}
