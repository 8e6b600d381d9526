import DamaSupport

/// A JSON value with its place in the file, so that every error names the field.
struct JSONField {
    let value: JSON
    let path: String

    init(_ value: JSON, _ path: String) {
        self.value = value
        self.path = path
    }

    /// The member `key`; `nil` if it is missing or `null`.
    subscript(key: String) -> JSONField? {
        value[key].map { JSONField($0, path(to: key)) }
    }

    /// The place of a member. A path may end in a file's name and ": ".
    func path(to key: String) -> String { path.isEmpty || path.hasSuffix(": ") ? path + key : "\(path).\(key)" }

    func require(_ key: String) throws(DamaError) -> JSONField {
        guard let field = self[key] else { throw missing(key) }
        return field
    }

    func string() throws(DamaError) -> String {
        guard let string = value.string else { throw wrongKind("a string") }
        return string
    }

    func bool() throws(DamaError) -> Bool {
        guard let bool = value.bool else { throw wrongKind("true or false") }
        return bool
    }

    func int() throws(DamaError) -> Int {
        guard let int = value.int else { throw wrongKind("a whole number") }
        return int
    }

    func array() throws(DamaError) -> [JSONField] {
        guard let array = value.array else { throw wrongKind("an array") }
        return array.enumerated().map { JSONField($1, "\(path)[\($0)]") }
    }

    func object() throws(DamaError) -> JSONObject {
        guard let object = value.object else { throw wrongKind("an object") }
        return object
    }

    func string(_ key: String) throws(DamaError) -> String { try require(key).string() }
    func bool(_ key: String, default value: Bool) throws(DamaError) -> Bool { try self[key]?.bool() ?? value }
    func string(_ key: String, default value: String) throws(DamaError) -> String { try self[key]?.string() ?? value }

    /// One character, given as a string.
    func character(_ key: String) throws(DamaError) -> Unicode.Scalar {
        let field = try require(key)
        let text = try field.string()
        guard text.unicodeScalars.count == 1, let scalar = text.unicodeScalars.first else {
            throw .model("\(field.path): expected one character, found \(quoted(text))")
        }
        return scalar
    }

    func missing(_ key: String) -> DamaError { .model("\(path(to: key)) is missing") }
    func wrongKind(_ expected: String) -> DamaError { .model("\(path): expected \(expected), found \(value.kind)") }

    /// An error for a component whose `type` is unknown.
    func unknownType(_ type: String, known: String) -> DamaError {
        .unsupported("\(path).type: \(quoted(type)) is not supported; supported are \(known)")
    }
}
