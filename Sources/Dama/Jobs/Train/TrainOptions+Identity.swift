import DamaModels
import DamaSupport

extension TrainOptions {
    /// Everything that the weights of the finished job depend on, so that another job's checkpoint is refused by name.
    func identity(policy: JSON, contents: DatasetContents, images: String) throws(DamaError) -> JSON {
        var members: [JSONObject.Member] = [
            ("job", "train"), ("format", 1), ("input", .string(contents.sha256)), ("images", .string(images)),
            ("model", policy),
            ("scores", try Self.digest(of: scores)), ("reference", try Self.digest(of: reference)),
            ("image_root", .string(imageFolder)), ("follow_links", .bool(followsLinks)), ("fields", fields.json),
            ("trainable", .string("\(trainable)")),
            ("activations", .string(activations.rawValue)), ("schedule", .string("\(schedule)")),
            ("warm_up", .string("\(warmUp)")), ("batch_size", .int(Int64(batchSize))),
            ("epochs", .int(Int64(epochs))), ("max_steps", maximumSteps.map { .int(Int64($0)) } ?? .null),
            ("tokens_per_run", .int(Int64(tokensPerRun))), ("seed", .string(String(seed))),
            ("max_grad_norm", .double(maximumGradientNorm)),
        ]
        members += Self.fields(of: method, prefix: "method")
        members += Self.fields(of: optimizer, prefix: "optimizer")
        return .object(JSONObject(members))
    }

    /// Each stored property as a member of its own, so that a difference is named by its field.
    private static func fields(of value: Any, prefix: String) -> [JSONObject.Member] {
        Mirror(reflecting: value).children.map { ("\(prefix).\($0.label ?? "")", .string("\($0.value)")) }
    }

    private static func digest(of path: String?) throws(DamaError) -> JSON {
        guard let path else { return .null }
        return .string(try Files.digest(path).sha256)
    }
}
