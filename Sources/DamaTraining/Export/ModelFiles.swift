import DamaModels
import DamaSupport

/// The files of a Hugging Face directory.
enum ModelFiles {
    /// The other files of a model, which training does not change.
    private static let settings = [
        "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model",
        "spiece.model", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
        "chat_template.jinja",
        "chat_template.json", "preprocessor_config.json", "processor_config.json", "LICENSE", "LICENSE.txt",
        "LICENSE.md", "NOTICE", "USE_POLICY.md",
    ]

    static func copySettings(from base: String, to folder: String) throws(DamaError) {
        for name in settings where Files.isRegularFile("\(base)/\(name)") {
            try Files.copy("\(base)/\(name)", to: "\(folder)/\(name)")
        }
    }

    // MARK: Weights

    /// Writes one file, or shards of at most `shardBytes` with their index, under the names of transformers.
    static func write(
        _ tensors: [SafetensorsWriter.Tensor], shardBytes: Int, to folder: String
    ) throws(DamaError) {
        var shards: [[SafetensorsWriter.Tensor]] = []
        var size = 0
        for tensor in tensors {
            if shards.isEmpty || size + tensor.byteCount > shardBytes {
                shards.append([])
                size = 0
            }
            shards[shards.count - 1].append(tensor)
            size += tensor.byteCount
        }
        guard shards.count > 1 else {
            return try SafetensorsWriter.write(tensors, to: "\(folder)/model.safetensors")
        }
        func number(_ value: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
        }
        var places: [JSONObject.Member] = []
        for (index, shard) in shards.enumerated() {
            let name = "model-\(number(index + 1))-of-\(number(shards.count)).safetensors"
            try SafetensorsWriter.write(shard, to: "\(folder)/\(name)")
            places += shard.map { ($0.name, .string(name)) }
        }
        let total = tensors.reduce(0) { $0 + $1.byteCount }
        let index: JSON = [
            "metadata": ["total_size": .int(Int64(total))],
            "weight_map": .object(JSONObject(places)),
        ]
        try ExportFolder.write(index, to: "\(folder)/model.safetensors.index.json")
    }

    // MARK: Configuration

    /// The type to load a model with tensors of these types: the common type, or fp32, which represents all values.
    static func commonType(of types: [WeightType]) -> WeightType {
        let found = Set(types.filter { [.float32, .float16, .bfloat16].contains($0) })
        return found.count == 1 ? found.first ?? .float32 : .float32
    }

    /// config.json for weights of `type`: only the field of the type differs, also in the configurations of the parts.
    static func config(_ config: JSON, type: WeightType) -> JSON {
        guard var members = config.object?.members else { return config }
        let name: JSON =
            switch type {
            case .float16: "float16"
            case .bfloat16: "bfloat16"
            default: "float32"
            }
        var isNamed = false
        for index in members.indices {
            switch members[index].key {
            // Older releases of transformers read the older key.
            case "dtype", "torch_dtype":
                members[index].value = name
                isNamed = true
            case "text_config", "vision_config":
                members[index].value = setting(name, in: members[index].value)
            default: break
            }
        }
        if !isNamed { members.append(("dtype", name)) }
        return .object(JSONObject(members))
    }

    private static func setting(_ name: JSON, in config: JSON) -> JSON {
        guard var members = config.object?.members else { return config }
        for index in members.indices where ["dtype", "torch_dtype"].contains(members[index].key) {
            members[index].value = name
        }
        return .object(JSONObject(members))
    }
}
