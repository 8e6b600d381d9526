import DamaSupport

/// A model of DamaModelsTests/Fixtures whose images are cut into tiles, in a directory with the tokenizer that several
/// models share (policy_oracle.py).
package struct TiledFixture {
    /// The model's own folder.
    package let folder: String
    private let images: String
    private let temporary: TemporaryDirectory

    /// The directory of the model.
    package var directory: String { temporary.path }

    /// - Parameters:
    ///   - name: the folder and the case, such as `llava_next/default`.
    ///   - tokenizer: the folder of the tokenizer.
    ///   - file: a file of a folder beside DamaModelsTests.
    package init(_ name: String, tokenizer: String, file: StaticString = #filePath) throws {
        let fixtures = Fixtures.path("../../DamaModelsTests/Fixtures", file: file)
        folder = "\(fixtures)/\(name)"
        images = "\(fixtures)/\(name.prefix { $0 != "/" })"
        temporary = try TemporaryDirectory()
        for name in ["config.json", "model.safetensors", "preprocessor_config.json", "processor_config.json"]
        where Files.exists("\(folder)/\(name)") {
            try temporary.write(Files.read("\(folder)/\(name)"), to: name)
        }
        for name in ["tokenizer.json", "tokenizer_config.json"] {
            try temporary.write(Files.read("\(fixtures)/\(tokenizer)/\(name)"), to: name)
        }
    }

    /// The path of an image of the fixture.
    package func image(_ name: String) -> String { "\(images)/\(name).png" }

    /// transformers' results.
    package func expected(_ file: String = "expected") throws -> [JSON] {
        try Files.readJSON("\(folder)/\(file).json").array ?? []
    }

    /// Changes a field of one of the directory's JSON files.
    package func change(_ file: String, _ key: String, to value: JSON) throws {
        var members = (try Files.readJSON("\(directory)/\(file)").object?.members ?? []).filter { $0.key != key }
        members.append((key: key, value: value))
        try temporary.write(JSON.object(JSONObject(members)).text.utf8, to: file)
    }
}
