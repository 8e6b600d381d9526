import DamaModels
import DamaSupport

extension TrainedPolicy {
    /// Writes only the adapters, in PEFT's format: adapter_config.json and adapter_model.safetensors, which
    /// `peft.PeftModel.from_pretrained` adds to the base model.
    ///
    /// Modules have the names of transformers since 4.52, where LLaVA's language model is `model.language_model`.
    /// ``ExportOptions/shardBytes`` is ignored: there is one file.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for a policy without adapters; otherwise as
    ///   ``export(to:options:)``.
    public func exportAdapters(
        to directory: String, options: ExportOptions = ExportOptions()
    ) throws(DamaError) {
        try options.check()
        guard let adapters else {
            throw .invalidArgument("there are no adapters to export: the policy is trained as \"\(trainable.name)\"")
        }
        var tensors: [SafetensorsWriter.Tensor] = []
        for pair in selection.adapters {
            let path = "base_model.model.\(decoder.peftModule(pair.module))"
            for (part, parameter) in [("lora_A", pair.a), ("lora_B", pair.b)] {
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
            try ExportFolder.write(try peftConfig(adapters), to: "\(folder)/adapter_config.json")
        }
    }

    private func peftConfig(_ adapters: LowRankAdapters) throws(DamaError) -> JSON {
        let alpha = Int64(exactly: adapters.alpha).map { JSON.int($0) } ?? .double(adapters.alpha)
        return [
            "base_model_name_or_path": .string(base.directory),
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "lora_alpha": alpha,
            "lora_dropout": .double(adapters.dropout),
            "modules_to_save": .null,
            "peft_type": "LORA",
            "r": .int(Int64(adapters.rank)),
            "target_modules": decoder.peftTargets(try adapters.targets(among: decoder.adapterModules)),
            "task_type": "CAUSAL_LM",
            "use_rslora": false,
        ]
    }
}
