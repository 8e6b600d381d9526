import DamaGraph
import DamaImage
import DamaSupport

/// OpenCLIP's layout on the hub: open_clip_config.json and open_clip_model.safetensors, with CLIP's transformers.
enum OpenCLIPEncoders: EncoderFamily {
    static let modelTypes: [ModelType] = []

    private static let config = "open_clip_config.json"
    private static let weights = "open_clip_model.safetensors"

    /// Whether the directory has this layout. Repositories that also hold transformers' layout are read as that.
    static func describes(_ directory: String) -> Bool {
        guard Files.exists("\(directory)/\(config)") else { return false }
        return !(Files.exists("\(directory)/config.json") && WeightStore.exists(in: directory))
    }

    static func open(_ opening: EncoderOpening) throws(DamaError) -> any EncoderTowers {
        let directory = opening.directory
        let configuration = try CLIPConfiguration(openCLIP: read(directory))
        let store = try store(directory)
        let prefix = store.contains("text.token_embedding.weight") ? "text." : ""
        return try CLIPGraphTowers(
            CLIPGraph(configuration, kernels: opening.kernels) { OpenCLIPWeights($0, textPrefix: prefix).source },
            store,
            opening)
    }

    static func processor(_ directory: String) throws(DamaError) -> ImageProcessor {
        let config = try read(directory)
        return try ImageProcessor(
            openCLIP: config.nested("preprocess_cfg"),
            size: CLIPConfiguration(openCLIP: config).vision.imageSize)
    }

    private static func read(_ directory: String) throws(DamaError) -> ConfigReader {
        try ConfigReader(path: "\(directory)/\(config)")
    }

    private static func store(_ directory: String) throws(DamaError) -> WeightStore {
        let pickled = "open_clip_pytorch_model.bin"
        for name in [weights, pickled] where Files.exists("\(directory)/\(name)") {
            return try WeightStore(file: "\(directory)/\(name)")
        }
        throw .io("\(directory) has \(config), but neither \(weights) nor \(pickled)")
    }
}

/// OpenCLIP's weights under the names of `CLIPModel`: queries, keys and values are parts of one matrix, and projections
/// are transposed.
struct OpenCLIPWeights {
    private let g: GraphBuilder
    /// "text." in files with `custom_text`.
    private let textPrefix: String

    init(_ g: GraphBuilder, textPrefix: String) { (self.g, self.textPrefix) = (g, textPrefix) }

    var source: CLIPGraph.WeightSource {
        { name, shape throws(DamaError) in try weight(name, shape) }
    }

    private static let outer = [
        "visual_projection.weight": "visual.proj", "text_projection.weight": "text_projection",
        "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
        "vision_model.embeddings.class_embedding": "visual.class_embedding",
        "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
        "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
        "text_model.embeddings.position_embedding.weight": "positional_embedding",
    ]
    private static let norms = ["pre_layrnorm": "ln_pre", "post_layernorm": "ln_post", "final_layer_norm": "ln_final"]
    private static let parts = [
        "layer_norm1": "ln_1", "layer_norm2": "ln_2", "self_attn.out_proj": "attn.out_proj", "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
    ]

    private func weight(_ name: String, _ shape: [Int]) throws(DamaError) -> Value {
        func stored(_ name: String, _ shape: [Int]) throws(DamaError) -> Value {
            try g.weight(name.hasPrefix("visual.") ? name : textPrefix + name, .float32, shape)
        }
        if let outer = Self.outer[name] {
            guard name.hasSuffix("projection.weight") else { return try stored(outer, shape) }
            return try g.transpose(stored(outer, shape.reversed()), [1, 0])
        }
        let words = name.split(separator: ".").map(String.init)
        let tower = words.first == "vision_model" ? "visual." : ""
        guard words.count > 2, let kind = words.last else { throw unknown(name) }
        if let norm = Self.norms[words[1]] { return try stored("\(tower)\(norm).\(kind)", shape) }
        // encoder.layers.N.PART.KIND
        guard words.count > 5 else { throw unknown(name) }
        let block = "\(tower)transformer.resblocks.\(words[3])"
        let part = words[4..<words.count - 1].joined(separator: ".")
        if let known = Self.parts[part] { return try stored("\(block).\(known).\(kind)", shape) }
        guard let place = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].firstIndex(of: part) else {
            throw unknown(name)
        }
        let rows = shape[0]
        let all = try stored("\(block).attn.in_proj_\(kind)", [3 * rows] + shape.dropFirst())
        return try g.slice(all, axis: 0, from: place * rows, to: (place + 1) * rows)
    }

    private func unknown(_ name: String) -> DamaError { .internal("OpenCLIP has no weight \"\(name)\"") }
}
