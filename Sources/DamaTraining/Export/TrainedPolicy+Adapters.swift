import DamaModels
import DamaSupport

extension TrainedPolicy {
    /// Writes the adapters alone, as PEFT keeps them: adapter_config.json and adapter_model.safetensors, which
    /// `peft.PeftModel.from_pretrained` puts on the base model.
    ///
    /// Modules are called as transformers calls them since 4.52, where LLaVA's language model is
    /// `model.language_model`. ``ExportOptions/shardBytes`` does not count: the file is one.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for a policy without adapters; otherwise as
    ///   ``export(to:options:)``.
    public func exportAdapters(
        to directory: String, options: ExportOptions = ExportOptions()
    ) throws(DamaError) {
        try options.check()
        guard let adapters else {
            throw .invalidArgument("there are no adapters to export: the policy was trained as \"\(trainable.name)\"")
        }
        var tensors: [SafetensorsWriter.Tensor] = []
        for (module, a, b) in adapterPairs {
            let path = "base_model.model.\(transformersModule(module))"
            for (part, parameter) in [("lora_A", a), ("lora_B", b)] {
                tensors.append(
                    .trained(
                        parameter, named: "\(path).\(part).weight", shape: parameter.shape, as: options.type))
            }
        }
        try ExportFolder.write(
            directory, base: base.directory, replaces: options.replaces,
            description: [("kind", "adapters"), ("base", .string(base.directory)), ("trained", "lora")]
        ) { folder throws(DamaError) in
            try SafetensorsWriter.write(tensors, to: "\(folder)/adapter_model.safetensors")
            try ExportFolder.write(peftConfig(adapters), to: "\(folder)/adapter_config.json")
        }
    }

    /// The name of a module of `LlamaForCausalLM` in the model that transformers makes of the base.
    private func transformersModule(_ module: String) -> String {
        base.vision == nil ? module : "model.language_model.\(module.dropFirst("model.".count))"
    }

    private func peftConfig(_ adapters: LowRankAdapters) -> JSON {
        let targets: JSON
        if base.vision == nil {
            targets = .array(adapters.targets.map { .string($0) })
        } else {
            // A list would match the vision tower's projections of the same names too; a text is a pattern for all.
            let names = adapters.targets.joined(separator: "|")
            targets = .string("model\\.language_model\\.layers\\.\\d+\\.(self_attn|mlp)\\.(\(names))")
        }
        let alpha = Int64(exactly: adapters.alpha).map { JSON.int($0) } ?? .double(adapters.alpha)
        return [
            "base_model_name_or_path": .string(base.directory),
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "lora_alpha": alpha,
            "lora_dropout": 0.0,
            "modules_to_save": .null,
            "peft_type": "LORA",
            "r": .int(Int64(adapters.rank)),
            "target_modules": targets,
            "task_type": "CAUSAL_LM",
            "use_rslora": false,
        ]
    }
}
