import DamaSupport

/// CLIP in safetensors or in the hub's ONNX layout.
enum CLIPEncoders: EncoderFamily {
    static let modelTypes = [ModelType("clip", className: "CLIPModel")]

    static func open(_ opening: EncoderOpening) throws(DamaError) -> any EncoderTowers {
        let directory = opening.directory
        if let files = CLIPOnnxTowers.files(in: directory), !WeightStore.exists(in: directory) {
            guard opening.precision == nil else { throw HubOnnx.fixedTypes(directory) }
            return try CLIPOnnxTowers(
                directory: directory, text: files.text, vision: files.vision, logitScale: opening.logitScale,
                runtime: opening.runtime, options: opening.session)
        }
        let configuration = try CLIPConfiguration(directory: directory)
        return try CLIPGraphTowers(
            CLIPGraph(configuration, kernels: opening.kernels), WeightStore(directory: directory), opening)
    }
}

extension CLIPTextConfiguration.EndRule {
    /// The tokens up to the one whose row becomes the embedding: in a causal tower later tokens do not affect it.
    func sequence(_ tokens: [Int32]) -> [Int32] {
        let end: Int? =
            switch self {
            case .largestToken: tokens.max().flatMap { tokens.firstIndex(of: $0) }
            case .first(let id): tokens.firstIndex { Int($0) == id }
            }
        return Array(tokens.prefix((end ?? 0) + 1))
    }
}
