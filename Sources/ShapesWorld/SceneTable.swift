import DamaSupport

/// The scenes of a truth.jsonl by their `idx`.
package struct SceneTable: Sendable {
    private let scenes: [String: Scene]

    /// - Throws: ``DamaError`` naming the line that lacks `idx` or `objects`.
    package init(truth path: String) throws(DamaError) {
        var scenes: [String: Scene] = [:]
        for line in try JSONLines.read(path) {
            guard let idx = line["idx"], let objects = line["objects"] else {
                throw .model("\(path): a line lacks idx or objects: \(line.text.prefix(80))")
            }
            scenes[Self.key(idx)] = try Scene(json: objects)
        }
        self.scenes = scenes
    }

    package subscript(id: JSON) -> Scene? { scenes[Self.key(id)] }

    /// An id may be written as the number or as its text.
    static func key(_ id: JSON) -> String { id.string ?? id.text }
}
