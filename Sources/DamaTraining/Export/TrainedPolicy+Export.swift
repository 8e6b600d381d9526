import DamaModels
import DamaSupport

extension TrainedPolicy {
    /// Writes the whole model as a Hugging Face directory that ``Policy`` and transformers load: weights under the
    /// names that the base model's files have, config.json, tokenizer, templates and the processors' settings.
    ///
    /// Adapters are merged: W + α/r · B A. Trained weights are written as ``ExportOptions/type`` says; frozen ones keep
    /// their bytes. Tensors pass through memory in pieces.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` where `directory` holds something else than an earlier export, for
    ///   a trained weight beyond what the type holds, and for one that is NaN or infinite; ``DamaError/Code/io`` where
    ///   the disk refuses. What was there stays as it was then.
    public func export(
        to directory: String, options: ExportOptions = ExportOptions()
    ) throws(DamaError) {
        try options.check()
        let tensors = try exportedTensors(as: options.type)
        let type = ModelFiles.commonType(of: tensors.map(\.type))
        try ExportFolder.write(
            directory, base: base.directory, replaces: options.replaces,
            description: [("kind", "model"), ("base", .string(base.directory)), ("trained", .string(trainable.name))]
        ) { folder throws(DamaError) in
            try ModelFiles.write(tensors, shardBytes: options.shardBytes, to: folder)
            try ModelFiles.copySettings(from: base.directory, to: folder)
            let config = try Files.readJSON("\(base.directory)/config.json")
            try ExportFolder.write(ModelFiles.config(config, type: type), to: "\(folder)/config.json")
        }
    }

    /// Every tensor of the base model's files, as it is after training.
    private func exportedTensors(as type: WeightType) throws(DamaError) -> [SafetensorsWriter.Tensor] {
        var trained: [String: Parameter] = [:]
        for parameter in parameters { trained[parameter.name] = parameter }
        if llama.configuration.tiesEmbeddings {
            // Files may hold a tied head all the same; it is the embedding table.
            let (table, head) = (
                llama.names.fileName("model.embed_tokens.weight"), llama.names.fileName("lm_head.weight")
            )
            trained[head] = trained[table]
        }
        let products = lowRankProducts()
        let store = llama.weights.store
        var tensors: [SafetensorsWriter.Tensor] = []
        for name in store.names {
            let tensor = try store.tensor(name)
            if let product = products[name] {
                tensors.append(.merged(tensor, product, as: type))
            } else if let parameter = trained[name] {
                tensors.append(.trained(parameter, named: name, shape: tensor.shape, as: type))
            } else {
                tensors.append(.frozen(tensor))
            }
        }
        return tensors
    }

    /// What adapters add, by the name that the adapted weight has in the files.
    private func lowRankProducts() -> [String: LowRankProduct] {
        guard let adapters else { return [:] }
        var products: [String: LowRankProduct] = [:]
        for (module, a, b) in adapterPairs {
            let name = llama.names.fileName("\(module).weight")
            products[name] = LowRankProduct(a: a, b: b, scale: Float(adapters.scale))
        }
        return products
    }

    /// The adapters' matrices by the module that they adapt, as `LlamaForCausalLM` calls it.
    var adapterPairs: [(module: String, a: Parameter, b: Parameter)] {
        let byName = Dictionary(parameters.map { ($0.name, $0) }) { first, _ in first }
        let suffix = ".lora_A.weight"
        return parameters.compactMap { a in
            guard a.name.hasSuffix(suffix) else { return nil }
            let module = String(a.name.dropLast(suffix.count))
            return byName["\(module).lora_B.weight"].map { (module, a, $0) }
        }
    }
}
