import DamaImage
import DamaRuntime
import DamaSupport
import DamaText

/// A family of models: reads its config.json and opens its decoder and vision part.
///
/// To add one, add its folder next to the others and its type to ``Architectures/all``.
protocol Architecture: Sendable {
    /// The family's values of `model_type` in config.json.
    static var modelTypes: [ModelType] { get }
    /// The last parts of the names of modules that take low-rank adapters, in the order of a layer.
    static var adapterModules: [String] { get }

    /// Whether the family reads this config.json; by default, whether it has one of ``modelTypes``.
    static func reads(_ config: ConfigReader) throws(DamaError) -> Bool
    /// Reads the configuration. ``open(_:)`` reads the weights later, which takes longer.
    static func read(_ source: ModelSource) throws(DamaError) -> any Architecture
    /// Reads what the model computes.
    ///
    /// - Parameter store: the names of the weights, if the directory has any.
    static func networks(_ source: ModelSource, _ store: WeightStore?) throws(DamaError) -> ModelNetworks

    var vocabularySize: Int { get }
    /// The end tokens of config.json; may be empty.
    var endTokens: [Int] { get }
    /// The token that marks an image's place; `nil` for a text-only model.
    var imageToken: Int32? { get }
    /// The text of ``imageToken`` if the tokenizer does not know it; the token is then no id of the vocabulary.
    var imageMark: String? { get }
    /// The name of the template of a directory without one, where the family has a single one.
    var defaultTemplate: String? { get }

    /// Opens the weights.
    func open(_ opening: ModelOpening) throws(DamaError) -> ModelParts
}

extension Architecture {
    static func reads(_ config: ConfigReader) throws(DamaError) -> Bool {
        let type = try config.string("model_type", default: "")
        return modelTypes.contains { $0.name == type }
    }

    var imageMark: String? { nil }
    var defaultTemplate: String? { nil }
}

/// A value of `model_type`, and the class of transformers that it denotes.
struct ModelType: Equatable, Sendable {
    let name: String
    let className: String

    init(_ name: String, className: String) { (self.name, self.className) = (name, className) }
}

/// The inputs that an architecture reads its configuration from.
struct ModelSource {
    var directory: String
    var config: ConfigReader
    var imageMode: PolicyOptions.ImageMode
    /// The directory of a vision tower that the model's directory does not hold; `nil` uses the configuration's.
    var visionTower: String?
}

/// The inputs that an architecture opens its weights with.
struct ModelOpening {
    var directory: String
    var runtime: OnnxRuntime
    var device: Device
    /// `nil` for the device's usual one.
    var precision: Precision?
    var tokenizer: Tokenizer
    /// The tokens that end a text, from generation_config.json, config.json or the tokenizer.
    var endTokens: [Int]

    /// The weights of `store` in the precision of this model.
    func weights(_ store: WeightStore) throws(DamaError) -> ModelWeights {
        ModelWeights.shared(store, runtime, precision: try Precision.resolve(precision, on: device))
    }
}

/// The networks of a policy.
struct ModelParts {
    var decoder: any CausalDecoder
    /// `nil` for a text-only model.
    var vision: (any ImageFeatureEncoder)?
}
