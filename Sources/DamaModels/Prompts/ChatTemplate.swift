import DamaSupport

/// The format in which a conversation becomes the text that a model continues: a chat template in Jinja, as
/// transformers has it. It is run with the messages of each prompt.
public struct ChatTemplate: Equatable, Sendable {
    /// One of ``names``, a text with places, or the path of a file.
    public let name: String
    /// The Jinja program.
    public let program: String
    /// Whether the program is a file's. Then the text becomes tokens as in transformers' `apply_chat_template`, and
    /// otherwise as any other text.
    let isFile: Bool

    /// A template by name (see ``names``); a text with the places `{question}` and `{response}`; or the path of a
    /// Jinja file.
    ///
    /// A text has `{question}` and `{response}` once each, `{image}` and `{system}` at most once, and `{end}` for the
    /// token that ends a sequence. What stands before `{response}` is the prompt, and what follows ends the response.
    /// It is repeated for every question and answer of a conversation.
    ///
    ///     try ChatTemplate("USER: {image}\n{question} ASSISTANT: {response}{end}")
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for an unknown name and for a missing or repeated place; the errors
    ///   of reading a file.
    public init(_ text: String) throws(DamaError) {
        if let program = NamedTemplates.programs[text] {
            self.init(name: text, program: program, isFile: false)
        } else if text.contains("{response}") {
            self.init(name: text, program: try PlacesTemplate(text).program, isFile: false)
        } else if text.utf8.suffix(6).elementsEqual(".jinja".utf8) || (!text.isEmpty && Files.exists(text)) {
            try self.init(file: text)
        } else {
            throw .invalidArgument("unknown template \(JSON.string(text).text); it must be \(Self.choices)")
        }
    }

    /// The program in a file of Jinja.
    init(file: String) throws(DamaError) {
        self.init(name: file, program: String(decoding: try Files.read(file), as: UTF8.self), isFile: true)
    }

    init(name: String, program: String, isFile: Bool) {
        (self.name, self.program, self.isFile) = (name, program, isFile)
    }

    /// The names of the built-in templates.
    public static var names: [String] { NamedTemplates.programs.keys.sorted() }

    /// What a template option may be, for messages.
    static var choices: String {
        "one of \(names.joined(separator: ", ")), a text with the places {question} and {response} (and optionally "
            + "{image}, {system}, {end}), or the path of a .jinja file"
    }
}

/// The programs of ``ChatTemplate/names``: the formats of the supported models as their authors publish them.
enum NamedTemplates {
    static let programs: [String: String] = [
        "chatml": text(PackageResources.chatml_jinja),
        "llama-2": text(PackageResources.llama_2_jinja),
        "llama-3": text(PackageResources.llama_3_jinja),
        "llava-1.5": text(PackageResources.llava_1_5_jinja),
        "plain": text(PackageResources.plain_jinja),
        "smollm2": text(PackageResources.smollm2_jinja),
        "vicuna_v1": text(PackageResources.vicuna_v1_jinja),
        "zephyr": text(PackageResources.zephyr_jinja),
    ]

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
