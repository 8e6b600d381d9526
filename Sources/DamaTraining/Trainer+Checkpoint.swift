import DamaModels
import DamaPreference
import DamaSupport

// A checkpoint is one safetensors file, so that it is replaced as a whole and other tools can look into it: for each
// parameter "value.NAME", "first_moment.NAME" and "second_moment.NAME" in fp32, and in the metadata "dama.trainer", a
// JSON text with the counts and the controller, and "dama.sha256" over that text and all tensors.
extension Trainer {
    /// Writes everything that the next step depends on: weights or adapters, moments, counts, and the controller with its
    /// generator. A trainer of the same kind that loads it goes on bit for bit.
    ///
    /// The file is written beside `path` and renamed: where anything fails, what was there stays.
    ///
    /// - Parameter note: whatever the caller wants to find again, such as the position in the data.
    public func save(to path: String, note: JSON = .null) throws(DamaError) {
        let state = TrainerState(steps: steps, skipped: skipped, controller: controller, note: note)
        let parts = policy.parameters.flatMap { parameter in
            Self.parts(of: parameter).map { (name: $0.name, shape: parameter.shape, bytes: $0.memory.bytes) }
        }
        let tensors = parts.map {
            SafetensorsWriter.Tensor(name: $0.name, type: .float32, shape: $0.shape, bytes: $0.bytes)
        }
        try SafetensorsWriter.write(
            tensors, metadata: state.metadata(beside: parts.map { ($0.name, $0.bytes) }), to: path)
    }

    /// Takes on what ``save(to:note:)`` wrote, and returns its note.
    ///
    /// - Parameter accept: Sees the note first; what it throws leaves the trainer as it is.
    /// - Throws: ``DamaError/Code/model`` for a file that is damaged or no checkpoint; ``DamaError/Code/invalidArgument``
    ///   for one of other parameters or another controller, naming the first difference. Nothing is changed then.
    @discardableResult
    public func load(
        from path: String, accept: (JSON) throws(DamaError) -> Void = { _ in }
    ) throws(DamaError) -> JSON {
        let file = try SafetensorsFile(path: path)
        let state = try TrainerState(checkpoint: file)
        let controller = state.controller
        guard controller.configuration == self.controller.configuration else {
            let differences = AdaptiveBeta.Configuration.table.differences(
                controller.configuration, self.controller.configuration)
            throw .invalidArgument(
                "\(path) was saved with another configuration of adaptive beta: \(differences.joined(separator: "; "))")
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
        try accept(state.note)
        for (view, memory) in views { try view.copyFloats(into: memory.elements) }
        policy.clearGradients()
        restore(steps: state.steps, skipped: state.skipped, controller: controller)
        return state.note
    }

    private static func parts(of parameter: Parameter) -> [(name: String, memory: FloatMemory)] {
        [
            ("value.\(parameter.name)", parameter.value), ("first_moment.\(parameter.name)", parameter.firstMoment),
            ("second_moment.\(parameter.name)", parameter.secondMoment),
        ]
    }
}
