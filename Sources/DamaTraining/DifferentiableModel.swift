import DamaGraph
import DamaModels
import DamaRuntime
import DamaSupport

/// A graph with its gradient, ready to run: one session forward, one backward.
///
/// Trained weights are inputs of both and share the memory of their parameters; frozen weights are used in their mapped
/// files. On a device, all of these and the values between the two runs stay in its memory. Not for use by two threads
/// at the same time.
final class DifferentiableModel {
    /// One forward run: its outputs, and the values that the backward run needs.
    struct Pass {
        var outputs: [String: TensorValue]
        fileprivate var kept: [String: TensorValue]

        /// The bytes of what the backward run takes: the values of the forward run, and the run's inputs.
        var byteCount: Int { kept.values.reduce(0) { $0 + $1.byteCount } }
    }

    private let runtime: OnnxRuntime
    private let differentiation: Differentiation
    private let forwardSession: Session
    private let backwardSession: Session
    /// The backward run that adds to existing gradients; created on first use.
    private var accumulatingSession: Session?
    private let backwardOptions: SessionOptions
    private let outputs: [String]
    /// Outputs that stay where the model runs, in the type that it computes in.
    private let residentOutputs: Set<String>
    private let weights: [String: TensorValue]
    private let parameters: [String: Parameter]

    /// - Parameters:
    ///   - outputs: names of the graph's outputs, all of which have gradients.
    ///   - inputs: inputs whose gradients are computed in addition to those of the parameters.
    ///   - frozen: the value of a weight that is not trained, by its name in the graph, on the model's device and in its
    ///     precision.
    ///   - scopes: scopes that the backward run recomputes, so that their values are not kept.
    init(
        _ graph: Graph, outputs: [String], parameters: [Parameter], inputs: [String] = [],
        recompute scopes: [String] = [],
        place: GraphPlace, frozen: (_ name: String, _ shape: [Int]) throws(DamaError) -> TensorValue
    ) throws(DamaError) {
        let runtime = place.runtime
        self.runtime = runtime
        self.outputs = outputs
        residentOutputs = place.natural.intersection(outputs)
        self.parameters = Dictionary(parameters.map { ($0.graphName, $0) }) { first, _ in first }
        differentiation = try Self.halves(
            graph, outputs: outputs, trained: parameters.map(\.graphName) + inputs, recompute: scopes,
            place.precision, natural: place.natural)
        var weights: [String: TensorValue] = [:]
        for parameter in parameters { weights[parameter.graphName] = try parameter.tensor(runtime) }
        self.weights = weights
        let trained = self.parameters
        func options(_ graph: Graph) throws(DamaError) -> SessionOptions {
            var options = SessionOptions()
            options.device = place.device
            options.registersKernels = graph.kernels.fused
            options.prepacking = false
            // Constant folding would read frozen weights before they are set. Merging transpositions into products
            // would undo those that the backward half adds for speed.
            options.configuration["optimization.disable_specified_optimizers"] =
                "ConstantFolding;MatmulTransposeFusion"
            for weight in graph.weights where trained[graph.name(of: weight)] == nil {
                let name = graph.name(of: weight)
                options.initializers[name] = try frozen(name, weight.shape.compactMap(\.fixed))
            }
            return options
        }
        forwardSession = try Self.session(
            runtime, differentiation.forward, trained, options(differentiation.forward))
        backwardOptions = try options(differentiation.backward)
        backwardSession = try Self.session(runtime, differentiation.backward, trained, backwardOptions)
    }

    /// The two halves that run.
    static func halves(
        _ graph: Graph, outputs: [String], trained: [String], recompute scopes: [String], _ precision: Precision,
        natural: Set<String>
    ) throws(DamaError) -> Differentiation {
        // Gradients are outputs in fp32, whatever the graph computes in: they are added up there.
        try graph.differentiate(outputs: outputs, trainable: trained, recompute: scopes)
            .fusingSums().fusingNorms().lowered(to: precision, natural: natural)
    }

    private static func session(
        _ runtime: OnnxRuntime, _ graph: Graph, _ trained: [String: Parameter], _ options: SessionOptions
    ) throws(DamaError) -> Session {
        let bytes = graph.onnx { trained[$0] == nil ? .initializers : .inputs }
        return try Session(runtime, model: bytes, name: graph.name, options: options)
    }

    func forward(_ inputs: [String: TensorValue], run: RunOptions?) throws(DamaError) -> Pass {
        let names = outputs + differentiation.activations.filter { !outputs.contains($0) }
        let values = try forwardSession.run(
            feeds(forwardSession, inputs), outputs: names,
            resident: Set(differentiation.activations).subtracting(outputs).union(residentOutputs), options: run)
        var kept = inputs
        for (name, value) in zip(names, values) { kept[name] = value }
        return Pass(outputs: Dictionary(zip(outputs, values)) { $1 }, kept: kept)
    }

    /// A part of a pass, in the same memory, so that the backward run skips pairs without gradient.
    ///
    /// - Parameters:
    ///   - axes: the range of the part, by the name of an outermost axis.
    ///   - inputs: inputs of the graph that have other values for the part.
    /// - Returns: `nil` if the backward run takes a value that cannot be divided along these axes.
    func part(
        _ pass: Pass, _ axes: [String: Range<Int>], inputs: [String: TensorValue]
    ) throws(DamaError) -> Pass? {
        let activations = Set(differentiation.activations)
        var part = Pass(outputs: [:], kept: inputs)
        for input in differentiation.backward.inputs {
            let name = differentiation.backward.name(of: input)
            guard part.kept[name] == nil, let value = pass.kept[name] else { continue }
            if case .symbol(let axis)? = input.shape.first, let range = axes[axis] {
                part.kept[name] = try value.part(range)
            } else if activations.contains(name) {
                return nil
            } else {
                part.kept[name] = value
            }
        }
        return part
    }

    /// Computes the gradients of Σ seed · output into the parameters' gradients. The session reads and writes them in
    /// place, without a second copy.
    ///
    /// - Returns: the gradients of the requested inputs, by name, where the model runs.
    func backward(
        _ pass: Pass, seeds: [TensorValue], _ update: GradientUpdate, run: RunOptions?
    ) throws(DamaError) -> [String: TensorValue] {
        var values = pass.kept
        for (name, seed) in zip(differentiation.seeds, seeds) { values[name] = seed }
        var targets: [String: TensorValue] = [:]
        for gradient in differentiation.gradients {
            guard let parameter = parameters[gradient.name] else { continue }
            if let dense = gradient.dense {
                let memory = try parameter.gradientTensor(runtime)
                targets[dense] = memory
                values[Differentiation.before(dense)] = memory
            } else if update == .replace {
                try parameter.clearGradient()
            }
        }
        let session = try update == .replace ? backwardSession : accumulating()
        let names = session.outputs.map(\.name)
        let results = try session.run(
            feeds(session, values), outputs: names, into: targets, resident: Set(names), options: run)
        for (name, result) in zip(names, results) { values[name] = result }
        var inputGradients: [String: TensorValue] = [:]
        for gradient in differentiation.gradients {
            guard let parameter = parameters[gradient.name] else {
                if let dense = gradient.dense { inputGradients[gradient.name] = values[dense] }
                continue
            }
            for rows in gradient.rows {
                guard case .host = parameter.home else {
                    throw .unsupported("the gradient of \(parameter.name) comes as rows, which only the host adds up")
                }
                guard let indices = values[rows.indices], let rowValues = values[rows.values] else { continue }
                try indices.withElements(of: Int64.self) { indices throws(DamaError) in
                    try rowValues.withElements(of: Float.self) { rowValues throws(DamaError) in
                        try RowGradients.add(
                            rowValues, at: indices, to: parameter.gradient.elements, width: parameter.shape.last ?? 1)
                    }
                }
            }
        }
        return inputGradients
    }

    private func accumulating() throws(DamaError) -> Session {
        if let accumulatingSession { return accumulatingSession }
        let session = try Self.session(
            runtime, differentiation.accumulating(Set(parameters.keys)), parameters, backwardOptions)
        accumulatingSession = session
        return session
    }

    /// The inputs of `session`, from values and trained weights.
    private func feeds(
        _ session: Session, _ values: [String: TensorValue]
    ) throws(DamaError) -> [String: TensorValue] {
        var feeds: [String: TensorValue] = [:]
        for port in session.inputs {
            guard let value = weights[port.name] ?? values[port.name] else {
                throw .internal("the input \"\(port.name)\" has no value")
            }
            feeds[port.name] = value
        }
        return feeds
    }
}
