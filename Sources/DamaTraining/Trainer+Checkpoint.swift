import DamaModels
import DamaPreference
import DamaSupport

// A checkpoint is one safetensors file, so that it is replaced as a whole and other tools can read it. It holds
// "value.NAME", "first_moment.NAME" and "second_moment.NAME" in fp32 for each parameter. Its metadata holds
// "dama.trainer", a JSON text with the counters and the controller, and "dama.sha256" over that text and all tensors.
extension Trainer {
    /// Writes everything that the next step depends on: weights or adapters, moments, counters, and the controller with
    /// its generator. A trainer of the same kind that loads the file continues bit for bit.
    ///
    /// The file is written under a temporary name and renamed: after a failure an existing file is unchanged.
    ///
    /// - Parameter note: the caller's own data, such as the position in the dataset.
    public func save(to path: String, note: String? = nil) throws(DamaError) {
        try save(to: path, note: note.map { .string($0) } ?? .null)
    }

    /// As ``save(to:note:)``, with a note of any kind.
    package func save(to path: String, note: JSON) throws(DamaError) {
        let state = TrainerState(
            steps: steps, skipped: skipped, controller: controller, note: note, lossScale: lossScale)
        var parts: [(name: String, shape: [Int], memory: FloatMemory)] = []
        for parameter in policy.parameters {
            for part in Parameter.Part.allCases {
                parts.append((Self.name(part, of: parameter), parameter.shape, try parameter.read(part)))
            }
        }
        let tensors = parts.map {
            SafetensorsWriter.Tensor(name: $0.name, type: .float32, shape: $0.shape, bytes: $0.memory.bytes)
        }
        try withExtendedLifetime(parts) { () throws(DamaError) in
            try SafetensorsWriter.write(
                tensors, metadata: state.metadata(beside: parts.map { ($0.name, $0.memory.bytes) }), to: path)
        }
    }

    /// Loads a file of ``save(to:note:)`` and returns its note; a note that is not a string is returned as JSON text.
    ///
    /// - Throws: ``DamaError/Code/model`` for a file that is damaged or not a checkpoint;
    ///   ``DamaError/Code/invalidArgument`` for a checkpoint with other parameters or another controller, naming the
    ///   first difference. The trainer is then unchanged.
    @discardableResult
    public func load(from path: String) throws(DamaError) -> String? {
        let note = try load(from: path) { _ throws(DamaError) in }
        return note == .null ? nil : note.string ?? note.text
    }

    /// As ``load(from:)``.
    ///
    /// - Parameter accept: is called with the note first. If it throws, the trainer is unchanged.
    @discardableResult
    package func load(
        from path: String, accept: (JSON) throws(DamaError) -> Void
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

        var views: [(view: TensorView, parameter: Parameter, part: Parameter.Part)] = []
        for parameter in policy.parameters {
            for part in Parameter.Part.allCases {
                let name = Self.name(part, of: parameter)
                guard let view = file[name], view.type == .float32 else {
                    throw .invalidArgument(
                        "\(path) has no fp32 tensor \"\(name)\": it was saved by a trainer of other weights")
                }
                guard view.shape == parameter.shape else {
                    throw .invalidArgument(
                        "\(path): \"\(name)\" has the shape \(view.shape), expected \(parameter.shape)")
                }
                views.append((view, parameter, part))
            }
        }
        guard views.count == file.names.count else {
            throw .invalidArgument(
                "\(path) holds \(file.names.count) tensors, expected \(views.count): it was saved by a trainer of "
                    + "other weights")
        }
        try accept(state.note)
        for (view, parameter, part) in views {
            try parameter.set(part) { elements throws(DamaError) in try view.copyFloats(into: elements) }
        }
        try policy.clearGradients()
        restore(state)
        return state.note
    }

    private static func name(_ part: Parameter.Part, of parameter: Parameter) -> String {
        "\(part.rawValue).\(parameter.name)"
    }
}
