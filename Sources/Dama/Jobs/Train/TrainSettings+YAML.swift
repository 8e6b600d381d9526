import DamaSupport

extension TrainSettings {
    /// Reads a configuration in YAML, which includes JSON.
    ///
    /// - Parameters:
    ///   - text: The configuration.
    ///   - overrides: `key=value` entries that replace fields of the text: `method.beta=0.2`.
    ///   - place: The prefix of messages, such as the file's path.
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the line or the field.
    public init(yaml text: String, overrides: [String] = [], place: String) throws(DamaError) {
        var json = try YAMLDocument.json(text, place: place)
        // A file with only comments sets nothing.
        if json == .null { json = [:] }
        for text in overrides {
            guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
                throw .invalidArgument("the override \"\(text)\": expected key=value, as in method.beta=0.2")
            }
            let place = "the override \"\(text)\""
            let value = try YAMLDocument.json(String(text[text.index(after: equals)...]), place: place)
            json = try Self.set(json, text[..<equals].split(separator: ".")[...], value, place: place)
        }
        try self.init(json, place: place)
    }

    /// Reads the configuration from a file.
    public init(path: String, overrides: [String] = []) throws(DamaError) {
        let bytes = try Files.read(path, limit: YAMLDocument.byteLimit)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .invalidArgument("\(path) is not valid UTF-8")
        }
        try self.init(yaml: text, overrides: overrides, place: path)
    }

    /// `json` with `value` at a path of keys.
    private static func set(
        _ json: JSON, _ path: ArraySlice<Substring>, _ value: JSON, place: String
    ) throws(DamaError) -> JSON {
        guard let first = path.first else { return value }
        // The recursion is as deep as the list of keys is long, so its length is limited.
        guard path.count <= YAMLDocument.depthLimit else { throw .invalidArgument("\(place) is nested too deeply") }
        let key = String(first)
        guard json == .null || json.object != nil else {
            throw .invalidArgument("\(place): the value before \"\(key)\" is \(json.kind), not a section")
        }
        var members = json.object?.members ?? []
        let found = members.firstIndex { $0.key == key }
        let new = try set(found.map { members[$0].value } ?? .null, path.dropFirst(), value, place: place)
        if let found { members[found].value = new } else { members.append((key, new)) }
        return .object(JSONObject(members))
    }
}
