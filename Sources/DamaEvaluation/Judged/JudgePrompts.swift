import DamaSupport

/// The prompts that a judge gets: texts by name.
struct JudgePrompts: Sendable {
    /// Their name in summaries: `libdama 1`, or `official` with the script they are from.
    let name: String
    private let texts: JSONObject

    /// The file of the official prompts in a folder of prepared data.
    static let fileName = "official_prompts.json"

    /// Prompts of this library. The name changes with the texts.
    init(own texts: KeyValuePairs<String, String>) {
        name = "libdama 1"
        self.texts = JSONObject(texts.map { ($0.key, .string($0.value)) })
    }

    /// The prompts that a preparation cut out of the official script.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` if the folder does not have them.
    init(official folder: DataFolder, _ names: [String]) throws(DamaError) {
        guard folder.has(Self.fileName) else {
            throw .invalidArgument(
                "\(folder.path) has no official prompts; add them: dama evaluate prepare \(folder.benchmark) --from "
                    + "SCRIPT --out \(folder.path), or use the prompts \"own\"")
        }
        let json = try folder.json(Self.fileName)
        guard let texts = json.object, let source = json["source"]?.string,
            names.allSatisfy({ json[$0]?.string != nil })
        else {
            throw .invalidArgument("\(folder.path)/\(Self.fileName) lacks a prompt; prepare it again")
        }
        name = "official, from \(source)"
        self.texts = JSONObject(texts.members.filter { !$0.key.hasSameBytes(as: "source") })
    }

    /// The text of this name; empty if there is none.
    subscript(name: String) -> String { texts[name]?.string ?? "" }

    /// Name and hash, for summaries.
    var identity: JSON {
        ["name": .string(name), "sha256": .string(SHA256.hex(of: Array(JSON.object(texts).text.utf8)))]
    }

    /// The prepared file that holds the prompts of `script`, and of another file if `more` reads one.
    static func input(
        _ script: OfficialScript, and others: [Download] = [],
        more: @escaping @Sendable ([String: String]) throws(DamaError) -> [JSONObject.Member] = { _ in [] }
    ) -> DataInput {
        DataInput(
            fileName, "the official prompts of the judge, for the prompts \"official\"",
            from: [script.download] + others, isOptional: true
        ) { (found, path) throws(DamaError) in
            guard let source = found[script.name] else { throw .internal("no \(script.name)") }
            let members = [("source", JSON.string(script.name))] + (try script.prompts(source)) + (try more(found))
            try Files.writeAtomically(Array("\(JSON.object(JSONObject(members)).text)\n".utf8), to: path)
        }
    }
}
