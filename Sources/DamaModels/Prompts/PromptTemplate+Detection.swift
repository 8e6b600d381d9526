import DamaSupport

extension PromptTemplate {
    /// The name of the known template that equals a model directory's own chat template.
    ///
    /// The chat template is a Jinja program, which is not executed. Its text must be one of ``KnownTemplates``, each of
    /// which was rendered and compared. A similar text is not enough, since another system prompt or space is another
    /// format.
    ///
    /// - Parameter fallback: the template of a directory without one.
    /// - Throws: ``DamaError/Code/unsupported`` for an unknown template, ``DamaError/Code/invalidArgument`` if there is
    ///   none. Both list the known names.
    static func detect(directory: String, takesImage: Bool, fallback: String? = nil) throws(DamaError) -> String {
        let choices =
            "name one of \(names.joined(separator: ", ")), or give a text with the places {question} and {response}"
            + (takesImage ? " and {image}" : "") + " (template, --template, --splitter-template)"
        guard let found = try chatTemplate(directory, takesImage: takesImage), !found.text.isEmpty else {
            if let fallback { return fallback }
            throw .invalidArgument("\(directory) has no chat template; \(choices)")
        }
        guard let name = KnownTemplates.name(of: found.text, takesImage: takesImage) else {
            throw .unsupported(
                "\(found.path): this chat template is not supported, and templates are not executed; \(choices)"
            )
        }
        return name
    }

    /// The chat template and its file, searched in the order of transformers: for a model with a processor the
    /// processor's template, then the tokenizer's.
    private static func chatTemplate(
        _ directory: String, takesImage: Bool
    ) throws(DamaError) -> (text: String, path: String)? {
        if takesImage {
            for name in ["processor_config.json", "chat_template.json"] {
                let path = "\(directory)/\(name)"
                guard Files.exists(path), let text = try template(in: Files.readJSON(path), path) else { continue }
                return (text, path)
            }
        }
        let file = "\(directory)/chat_template.jinja"
        if Files.exists(file) { return (String(decoding: try Files.read(file), as: UTF8.self), file) }
        let path = "\(directory)/tokenizer_config.json"
        guard Files.exists(path), let text = try template(in: Files.readJSON(path), path) else { return nil }
        return (text, path)
    }

    /// The field `chat_template`: one text, or several by name, of which "default" is used.
    private static func template(in json: JSON, _ path: String) throws(DamaError) -> String? {
        guard let field = json["chat_template"] else { return nil }
        if let text = field.string { return text }
        let text: String?
        if field.object != nil {
            text = field["default"]?.string
        } else {
            text = field.array?.first { $0["name"]?.string == "default" }?["template"]?.string
        }
        guard let text else {
            throw .model("\(path): chat_template must be a text, or a list of templates with one named \"default\"")
        }
        return text
    }
}
