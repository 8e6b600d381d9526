import DamaSupport

/// Responses that `dama generate` wrote, by the id of their question.
package struct ResponseTable: Sendable {
    private var responses: [String: [String]] = [:]

    /// - Parameter field: The field with a text or a list of texts; `nil` for `responses` or `response`.
    /// - Throws: ``DamaError`` naming the line that lacks its id or its texts.
    package init(path: String, field: String? = nil) throws(DamaError) {
        for line in try JSONLines.read(path) {
            let (id, texts) = try Self.texts(of: line, field: field, path: path)
            responses[SceneTable.key(id), default: []] += texts
        }
    }

    package subscript(id: JSON) -> [String]? { responses[SceneTable.key(id)] }

    /// The id and the responses of a line.
    package static func texts(
        of line: JSON, field: String?, path: String
    ) throws(DamaError) -> (id: JSON, texts: [String]) {
        let value = field.map { line[$0] } ?? line["responses"] ?? line["response"]
        let texts = value?.array.map { $0.compactMap(\.string) } ?? value?.string.map { [$0] }
        guard let id = line["idx"] ?? line["id"], let texts, texts.count == value?.array?.count ?? 1 else {
            throw .model("\(path): a line lacks its id or \"\(field ?? "response")\": \(line.text.prefix(80))")
        }
        return (id, texts)
    }
}
