import DamaImage
import DamaRuntime
import DamaSupport

/// A family of models: what its config.json means, and the decoder and vision part that come of a directory.
///
/// To add one, put its folder beside the others and its type into ``Architectures/all``.
protocol Architecture: Sendable {
    /// As config.json's `model_type` names the family.
    static var modelTypes: [ModelType] { get }
    /// The last parts of the names of modules that low-rank adapters can stand beside, in the order of a layer.
    static var adapterModules: [String] { get }

    /// Reads the configuration. Weights come later, for they take their time.
    static func read(_ source: ModelSource) throws(DamaError) -> any Architecture

    var vocabularySize: Int { get }
    /// The tokens that config.json says end a text; may be empty.
    var endTokens: [Int] { get }
    /// The token that marks an image's place; `nil` for a model of text alone.
    var imageToken: Int32? { get }

    /// Opens the weights.
    func open(_ opening: ModelOpening) throws(DamaError) -> ModelParts
}

/// A value of `model_type`, and the class of transformers that it stands for.
struct ModelType: Equatable, Sendable {
    let name: String
    let className: String

    init(_ name: String, className: String) { (self.name, self.className) = (name, className) }
}

/// What an architecture reads its configuration from.
struct ModelSource {
    var directory: String
    var config: ConfigReader
    var imageMode: PolicyOptions.ImageMode
}

/// What an architecture opens its weights with.
struct ModelOpening {
    var directory: String
    var runtime: OnnxRuntime
    var device: Device
    /// The tokens that end a text, from whichever file names them.
    var endTokens: [Int]
}

/// The networks of a policy.
struct ModelParts {
    var decoder: any CausalDecoder
    /// `nil` for a model of text alone.
    var vision: (any ImageFeatureEncoder)?
}
