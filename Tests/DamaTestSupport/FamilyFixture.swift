import DamaSupport

/// A model of DamaModelsTests/Fixtures/make_families.py, in a directory with the tokenizer that all of them share.
package struct FamilyFixture {
    /// The fixture's own folder.
    package let folder: String
    /// The path of the image of all prompts; `nil` for a text-only model.
    package let image: String?
    private let temporary: TemporaryDirectory

    /// The directory of the model.
    package var directory: String { temporary.path }

    /// - Parameter file: A file of a folder beside DamaModelsTests.
    package init(_ name: String, file: StaticString = #filePath) throws {
        let fixtures = Fixtures.path("../../DamaModelsTests/Fixtures", file: file)
        folder = "\(fixtures)/families/\(name)"
        image = name.hasPrefix("llava") ? "\(fixtures)/llava/image.png" : nil
        temporary = try TemporaryDirectory()
        for name in ["config.json", "model.safetensors", "preprocessor_config.json"]
        where Files.exists("\(folder)/\(name)") {
            try temporary.write(Files.read("\(folder)/\(name)"), to: name)
        }
        for name in ["tokenizer.json", "tokenizer_config.json"] {
            try temporary.write(Files.read("\(fixtures)/families/\(name)"), to: name)
        }
    }

    /// The template that the script writes prompts in.
    package var template: String {
        "<|im_start|>user\n\(image == nil ? "" : "{image}\n"){question}<|im_end|>\n<|im_start|>assistant\n{response}{end}"
    }

    package func expected() throws -> [JSON] { try Files.readJSON("\(folder)/expected.json").array ?? [] }
}
