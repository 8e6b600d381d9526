import DamaModels
import DamaSupport

extension TrainedPolicy {
    /// Writes the whole model as a Hugging Face directory that ``Policy`` and transformers load: weights under the
    /// names of the base model's files, config.json, tokenizer, templates and the processors' settings.
    ///
    /// Adapters are merged: W + α/r · B A. Trained weights have the type ``ExportOptions/type``; frozen weights keep
    /// their bytes. Tensors are written in pieces, which limits the memory.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` if `directory` holds files that are not an export's, and for a
    ///   trained weight that exceeds the type's range or is NaN or infinite; ``DamaError/Code/io`` if writing fails.
    ///   Existing files are then unchanged.
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

    /// Every tensor of the base model's files, with its value after training. A vision tower in a directory of its own is
    /// not part of them.
    private func exportedTensors(as type: WeightType) throws(DamaError) -> [SafetensorsWriter.Tensor] {
        var trained: [String: Parameter] = [:]
        for parameter in parameters { trained[parameter.name] = parameter }
        // The files may hold a tensor twice, under two names.
        for (alias, name) in decoder.tensorAliases { trained[alias] = trained[name] }
        let products = try lowRankProducts()
        let store = decoder.weights.store
        var tensors: [SafetensorsWriter.Tensor] = []
        for name in store.names where !store.addedNames.contains(name) {
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

    /// The products of the adapters, by the name of the adapted weight in the files.
    private func lowRankProducts() throws(DamaError) -> [String: LowRankProduct] {
        guard let adapters else { return [:] }
        var products: [String: LowRankProduct] = [:]
        for pair in selection.adapters {
            let name = decoder.fileName("\(pair.module).weight")
            products[name] = try LowRankProduct(a: pair.a, b: pair.b, scale: Float(adapters.scale))
        }
        return products
    }
}
