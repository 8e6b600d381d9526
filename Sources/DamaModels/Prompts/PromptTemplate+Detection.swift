import DamaSupport

extension PromptTemplate {
    /// The name of the known template that a model directory's own chat template (a Jinja program, which is not run)
    /// looks like; `nil` where there is none, or none that is known.
    static func detect(directory: String, takesImage: Bool) throws(DamaError) -> String? {
        try chatTemplate(directory).flatMap { known(chatTemplate: $0, takesImage: takesImage) }
    }

    /// By the marks that no other format has. A LLaVA is asked in the way of its training unless its file writes the
    /// turns in full and without a system prompt.
    static func known(chatTemplate text: String, takesImage: Bool) -> String? {
        if takesImage { return text.contains("USER: ") && !text.contains("A chat between") ? "llava-1.5" : nil }
        let marks = [
            ("named SmolLM", "smollm2"), ("<|im_start|>", "chatml"), ("<|start_header_id|>", "llama-3"),
            ("<|user|>", "zephyr"), ("[INST]", "llama-2"),
        ]
        return marks.first { text.contains($0.0) }?.1
    }

    /// chat_template.jinja, or the field of tokenizer_config.json: one text, or a list of which one is named "default".
    private static func chatTemplate(_ directory: String) throws(DamaError) -> String? {
        let file = "\(directory)/chat_template.jinja"
        if Files.exists(file) { return String(decoding: try Files.read(file), as: UTF8.self) }
        let path = "\(directory)/tokenizer_config.json"
        guard Files.exists(path), let field = try Files.readJSON(path)["chat_template"] else { return nil }
        if let text = field.string { return text }
        let chosen = field.array?.first { $0["name"]?.string == "default" } ?? field.array?.first
        return chosen?["template"]?.string
    }
}
