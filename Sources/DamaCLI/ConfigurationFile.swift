import Dama

/// A YAML file (JSON is YAML too) as JSON, with fields replaced by `key=value` from the command line.
enum ConfigurationFile {
    static func read(_ path: String, overrides: [String]) throws(DamaError) -> JSON {
        let bytes = try Files.read(path, limit: YAMLDocument.byteLimit)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .invalidArgument("\(path) is not valid UTF-8")
        }
        var json = try YAMLDocument.json(text, place: path)
        // A file of comments alone sets nothing.
        if json == .null { json = [:] }
        for text in overrides {
            guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
                throw .invalidArgument("--set \(text): expected key=value, as in method.beta=0.2")
            }
            let value = try YAMLDocument.json(String(text[text.index(after: equals)...]), place: "--set \(text)")
            json = try set(json, text[..<equals].split(separator: ".")[...], value, place: "--set \(text)")
        }
        return json
    }

    private static func set(
        _ json: JSON, _ path: ArraySlice<Substring>, _ value: JSON, place: String
    ) throws(DamaError) -> JSON {
        guard let first = path.first else { return value }
        let key = String(first)
        guard json == .null || json.object != nil else {
            throw .invalidArgument("\(place): what stands before \"\(key)\" is \(json.kind), not a section")
        }
        var members = json.object?.members ?? []
        let found = members.firstIndex { $0.key == key }
        let new = try set(found.map { members[$0].value } ?? .null, path.dropFirst(), value, place: place)
        if let found { members[found].value = new } else { members.append((key, new)) }
        return .object(JSONObject(members))
    }
}
