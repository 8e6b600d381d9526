import DamaSupport

/// Recognises models in other layouts where a Hugging Face directory is expected. Each error says how to proceed.
enum ModelDirectory {
    /// Checks that `path` is not a model, or a part of one, in another known layout.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for such a layout. Other faults are found when the files are read.
    static func checkLayout(_ path: String) throws(DamaError) {
        if Files.isRegularFile(path) {
            let file = try? MappedFile(path: path)
            let isGGUF = withExtendedLifetime(file) { file?.bytes.starts(with: "GGUF".utf8) ?? false }
            throw .unsupported(
                isGGUF
                    ? "\(path) is a GGUF file, which is not supported; \(directoryWanted)"
                    : "\(path) is a file; \(directoryWanted)")
        }
        let config = "\(path)/config.json"
        guard !Files.exists(config) else { return }
        guard Files.isDirectory(path), let names = try? Files.names(in: path) else { return }
        if names.contains("adapter_config.json") {
            let base = (try? Files.readJSON("\(path)/adapter_config.json"))?["base_model_name_or_path"]?.string
            let of = base.map { " of the model \(JSON.string($0).text)" } ?? ""
            throw .unsupported(
                "\(path) holds a PEFT adapter\(of), not a whole model; export with `format: huggingface`, or merge the "
                    + "adapter into its model (PeftModel.merge_and_unload) and use that directory")
        }
        if let name = names.first(where: { $0.hasSuffix(".gguf") }) {
            throw .unsupported(
                "\(path) has no config.json but the GGUF file \(name), which is not supported; \(directoryWanted)")
        }
        if names.contains("params.json"), let name = names.first(where: { $0.hasSuffix(".pth") }) {
            throw .unsupported(
                "\(path) has no config.json but params.json and \(name): this is Llama's original layout, which is not "
                    + "supported; \(directoryWanted)")
        }
    }

    /// Describes the weights in other formats of a directory without safetensors, for a message.
    static func weightsInstead(_ path: String) -> String {
        let names = (try? Files.names(in: path)) ?? []
        if names.contains("adapter_model.safetensors") {
            return " but adapter_model.safetensors, which is a PEFT adapter; merge it into its model"
        }
        if let name = names.first(where: { $0.hasPrefix("pytorch_model-") && $0.hasSuffix(".bin") }) {
            return " but \(name); the index of these shards, pytorch_model.bin.index.json, is missing"
        }
        let pickled = [".bin", ".pth", ".pt", ".ckpt"]
        if let name = names.first(where: { name in
            pickled.contains(where: name.hasSuffix) && name != "training_args.bin"
        }) {
            return " but \(name); load the model with transformers and save it again (save_pretrained)"
        }
        if let name = names.first(where: { $0.hasSuffix(".gguf") }) { return " but \(name): GGUF is not supported" }
        return ""
    }

    private static let directoryWanted =
        "expected a Hugging Face directory with config.json, tokenizer.json and model.safetensors"
}
