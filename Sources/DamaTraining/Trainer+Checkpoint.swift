import DamaModels
import DamaPreference
import DamaSupport

// A checkpoint is one safetensors file, so that it is replaced as a whole and other tools can look into it: for each
// parameter "value.NAME", "first_moment.NAME" and "second_moment.NAME" in fp32, and in the metadata "dama.trainer", a
// JSON text with the counts and the controller, and "dama.sha256" over that text and all tensors.
extension Trainer {
    private static let stateKey = "dama.trainer"
    private static let digestKey = "dama.sha256"
    private static let version = 1

    /// Writes everything that the next step depends on: weights or adapters, moments, counts, and the controller with its
    /// generator. A trainer of the same kind that loads it goes on bit for bit.
    ///
    /// The file is written beside `path` and renamed: where anything fails, what was there stays.
    ///
    /// - Parameter note: whatever the caller wants to find again, such as the position in the data.
    public func save(to path: String, note: JSON = .null) throws(DamaError) {
        let state: JSON = [
            "version": .int(Int64(Self.version)), "steps": .string(String(steps)), "skipped": .string(String(skipped)),
            "controller": .string(Hexadecimal.text(of: controller.state())), "note": note,
        ]
        let parts = policy.parameters.flatMap { parameter in
            Self.parts(of: parameter).map { (name: $0.name, shape: parameter.shape, bytes: $0.memory.bytes) }
        }
        let digest = Self.digest(state.text, parts.map { ($0.name, $0.bytes) })
        let tensors = parts.map {
            SafetensorsWriter.Tensor(name: $0.name, type: .float32, shape: $0.shape, bytes: $0.bytes)
        }
        try SafetensorsWriter.write(tensors, metadata: [Self.stateKey: state.text, Self.digestKey: digest], to: path)
    }

    /// Takes on what ``save(to:note:)`` wrote, and returns its note.
    ///
    /// - Throws: ``DamaError/Code/model`` for a file that is damaged or no checkpoint; ``DamaError/Code/invalidArgument``
    ///   for one of other parameters or another controller, naming the first difference. Nothing is changed then.
    @discardableResult
    public func load(from path: String) throws(DamaError) -> JSON {
        let file = try SafetensorsFile(path: path)
        guard let text = file.metadata[Self.stateKey], let expected = file.metadata[Self.digestKey] else {
            throw .model("\(path) is no checkpoint of a trainer: its metadata has no \"\(Self.stateKey)\"")
        }
        let found = Self.digest(text, file.names.compactMap { name in file[name].map { (name, $0.bytes) } })
        guard found == expected else {
            throw .model("\(path) is damaged: its contents have the SHA-256 \(found), expected \(expected)")
        }
        let state: JSON
        do {
            state = try JSON(parsing: text)
        } catch {
            throw .model("\(path): \(error.message)")
        }
        guard state["version"]?.int == Self.version else {
            throw .model("\(path) has version \(state["version"]?.text ?? "none"); this library reads \(Self.version)")
        }
        guard let steps = state["steps"]?.string.flatMap({ UInt64($0) }),
            let skipped = state["skipped"]?.string.flatMap({ UInt64($0) }),
            let bytes = state["controller"]?.string.flatMap(Hexadecimal.bytes)
        else { throw .model("\(path) lacks steps, skipped or controller in its metadata") }
        let controller = try AdaptiveBeta(state: bytes)
        guard controller.configuration == self.controller.configuration else {
            throw .invalidArgument(
                "\(path) was saved with another configuration of adaptive beta: \(controller.configuration), "
                    + "this trainer has \(self.controller.configuration)")
        }

        var views: [(TensorView, FloatMemory)] = []
        for parameter in policy.parameters {
            for (name, memory) in Self.parts(of: parameter) {
                guard let view = file[name], view.type == .float32 else {
                    throw .invalidArgument(
                        "\(path) has no fp32 tensor \"\(name)\": it is of a trainer of other weights")
                }
                guard view.shape == parameter.shape else {
                    throw .invalidArgument(
                        "\(path): \"\(name)\" has the shape \(view.shape), expected \(parameter.shape)")
                }
                views.append((view, memory))
            }
        }
        guard views.count == file.names.count else {
            throw .invalidArgument(
                "\(path) holds \(file.names.count) tensors, \(views.count) are trained here: it is of a trainer of "
                    + "other weights")
        }
        for (view, memory) in views { try view.copyFloats(into: memory.elements) }
        policy.clearGradients()
        restore(steps: steps, skipped: skipped, controller: controller)
        return state["note"] ?? .null
    }

    private static func parts(of parameter: Parameter) -> [(name: String, memory: FloatMemory)] {
        [
            ("value.\(parameter.name)", parameter.value), ("first_moment.\(parameter.name)", parameter.firstMoment),
            ("second_moment.\(parameter.name)", parameter.secondMoment),
        ]
    }

    private static func digest(_ text: String, _ tensors: [(name: String, bytes: UnsafeRawBufferPointer)]) -> String {
        var hash = SHA256()
        hash.update(UInt64(text.utf8.count))
        hash.update(text.utf8)
        for tensor in tensors.sorted(by: { $0.name < $1.name }) {
            hash.update(UInt64(tensor.name.utf8.count))
            hash.update(tensor.name.utf8)
            hash.update(tensor.bytes)
        }
        return hash.hexDigest
    }
}
