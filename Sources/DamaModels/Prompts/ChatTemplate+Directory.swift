import DamaSupport

extension ChatTemplate {
    /// A model directory's own chat template, searched as transformers 5.24 does.
    ///
    /// A processor reads processor_config.json, chat_template.json, chat_template.jinja and
    /// additional_chat_templates/default.jinja. A tokenizer reads the last of these, chat_template.jinja and
    /// tokenizer_config.json. A model with images has a processor; if that has no template, its tokenizer's is used.
    ///
    /// - Parameter fallback: the name of the template of a directory without one.
    /// - Throws: ``DamaError/Code/invalidArgument`` if there is none, with the names that may be given instead;
    ///   ``DamaError/Code/model`` for several templates without one named "default".
    init(directory: String, takesImage: Bool, fallback: String? = nil) throws(DamaError) {
        if takesImage {
            for name in ["processor_config.json", "chat_template.json"] {
                if let found = try Self.field(of: "\(directory)/\(name)") {
                    self = found
                    return
                }
            }
        }
        var found = try Self.file(in: directory, isProcessor: takesImage)
        if found == nil { found = try Self.field(of: "\(directory)/tokenizer_config.json") }
        guard let found else {
            if let fallback {
                try self.init(fallback)
                return
            }
            throw .invalidArgument(
                "\(directory) has no chat template; give one (template, --template, --splitter-template): "
                    + Self.choices)
        }
        self = found
    }

    private static func file(in directory: String, isProcessor: Bool) throws(DamaError) -> ChatTemplate? {
        let folder = "\(directory)/additional_chat_templates"
        let paths = ["\(directory)/chat_template.jinja", "\(folder)/default.jinja"]
        if let path = (isProcessor ? paths : paths.reversed()).first(where: { Files.exists($0) }) {
            return try ChatTemplate(file: path).nonempty
        }
        guard Files.isDirectory(folder) else { return nil }
        let names = try Files.names(in: folder).filter { $0.utf8.suffix(6).elementsEqual(".jinja".utf8) }
        guard names.isEmpty else {
            throw .model("\(folder) has \(names.joined(separator: ", ")), but no default.jinja")
        }
        return nil
    }

    /// The field `chat_template`: one text, or several by name, of which "default" is used.
    private static func field(of path: String) throws(DamaError) -> ChatTemplate? {
        guard Files.exists(path), let field = try Files.readJSON(path)["chat_template"] else { return nil }
        let text =
            field.string ?? field["default"]?.string
            ?? field.array?.first { $0["name"]?.string == "default" }?["template"]?.string
        guard let text else {
            throw .model("\(path): chat_template must be a text, or a list of templates with one named \"default\"")
        }
        return ChatTemplate(name: path, program: text, isFile: true).nonempty
    }

    private var nonempty: ChatTemplate? { program.isEmpty ? nil : self }
}
