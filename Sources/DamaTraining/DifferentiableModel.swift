import DamaGraph
import DamaModels
import DamaRuntime
import DamaSupport

/// A graph with its gradient, ready to run: one session forward, one backward.
///
/// Trained weights are inputs of both, over the memory of their parameters; frozen ones are used where they are mapped.
/// Not for use by two threads at the same time.
final class DifferentiableModel {
    /// One forward run: its outputs, and what the backward run needs of it.
    struct Pass {
        var outputs: [String: TensorValue]
        fileprivate var kept: [String: TensorValue]
    }

    private let runtime: OnnxRuntime
    private let differentiation: Differentiation
    private let forwardSession: Session
    private let backwardSession: Session
    private let outputs: [String]
    private let weights: [String: TensorValue]
    private let parameters: [String: Parameter]

    /// - Parameters:
    ///   - outputs: names of the graph's outputs, from all of which something flows back.
    ///   - inputs: inputs whose gradients are wanted beside those of the parameters.
    ///   - frozen: the value of a weight that is not trained, by its name in the graph.
    ///   - scopes: scopes that are computed again in the backward run instead of being kept.
    init(
        _ graph: Graph, outputs: [String], parameters: [Parameter], inputs: [String] = [],
        recompute scopes: [String] = [],
        runtime: OnnxRuntime, device: Device, frozen: (Value) throws(DamaError) -> TensorValue
    ) throws(DamaError) {
        self.runtime = runtime
        self.outputs = outputs
        self.parameters = Dictionary(parameters.map { ($0.graphName, $0) }) { first, _ in first }
        differentiation = try graph.differentiate(
            outputs: outputs, trainable: parameters.map(\.graphName) + inputs, recompute: scopes)
        var weights: [String: TensorValue] = [:]
        for parameter in parameters { weights[parameter.graphName] = try parameter.tensor(runtime) }
        self.weights = weights
        let trained = self.parameters
        func session(_ graph: Graph) throws(DamaError) -> Session {
            var options = SessionOptions()
            options.device = device
            options.prepacking = false
            // The runtime would read frozen weights to fold them, before it has been given them; and it would merge
            // into products the transpositions that the backward half sets before them with reason.
            options.configuration["optimization.disable_specified_optimizers"] =
                "ConstantFolding;MatmulTransposeFusion"
            for weight in graph.weights where trained[graph.name(of: weight)] == nil {
                options.initializers[graph.name(of: weight)] = try frozen(weight)
            }
            let bytes = graph.onnx { trained[$0] == nil ? .initializers : .inputs }
            return try Session(runtime, model: bytes, name: graph.name, options: options)
        }
        forwardSession = try session(differentiation.forward)
        backwardSession = try session(differentiation.backward)
    }

    func forward(_ inputs: [String: TensorValue], run: RunOptions?) throws(DamaError) -> Pass {
        let names = outputs + differentiation.activations.filter { !outputs.contains($0) }
        let values = try forwardSession.run(feeds(forwardSession, inputs), outputs: names, options: run)
        var kept = inputs
        for (name, value) in zip(names, values) { kept[name] = value }
        return Pass(outputs: Dictionary(zip(outputs, values)) { $1 }, kept: kept)
    }

    /// A part of a pass, in the same memory, so that nothing flows back where nothing would come of it.
    ///
    /// - Parameters:
    ///   - axes: what belongs to the part, by the name of an outermost axis.
    ///   - inputs: inputs of the graph that are other ones for the part.
    /// - Returns: `nil` where the backward run takes a value that does not divide along one of these axes.
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

    /// Adds the gradients of Σ seed · output to those of the parameters; the gradients of the inputs that were asked for.
    ///
    /// - Parameter replacing: whether they take the place of what the parameters' gradients hold. The session then
    ///   writes them where they belong: nothing is cleared, copied or added.
    func backward(
        _ pass: Pass, seeds: [TensorValue], replacing: Bool, run: RunOptions?
    ) throws(DamaError) -> [String: TensorValue] {
        var values = pass.kept
        for (name, seed) in zip(differentiation.seeds, seeds) { values[name] = seed }
        var targets: [String: TensorValue] = [:]
        if replacing {
            for gradient in differentiation.gradients {
                guard let parameter = parameters[gradient.name] else { continue }
                if let dense = gradient.dense {
                    targets[dense] = try parameter.gradientTensor(runtime)
                } else {
                    parameter.gradient.clear()
                }
            }
        }
        let names = backwardSession.outputs.map(\.name)
        let results = try backwardSession.run(
            feeds(backwardSession, values), outputs: names, into: targets, options: run)
        for (name, result) in zip(names, results) { values[name] = result }
        var inputGradients: [String: TensorValue] = [:]
        for gradient in differentiation.gradients {
            guard let parameter = parameters[gradient.name] else {
                if let dense = gradient.dense { inputGradients[gradient.name] = values[dense] }
                continue
            }
            if let dense = gradient.dense, targets[dense] == nil, let value = values[dense] {
                // As one row, whose columns the threads share.
                try value.withElements(of: Float.self) { values throws(DamaError) in
                    let row: Int64 = 0
                    try withUnsafePointer(to: row) { row throws(DamaError) in
                        try RowGradients.add(
                            values, at: UnsafeBufferPointer(start: row, count: 1), to: parameter.gradient.elements,
                            width: parameter.count)
                    }
                }
            }
            for rows in gradient.rows {
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

    /// What `session` takes, from values and trained weights.
    private func feeds(
        _ session: Session, _ values: [String: TensorValue]
    ) throws(DamaError) -> [String: TensorValue] {
        var feeds: [String: TensorValue] = [:]
        for port in session.inputs {
            guard let value = weights[port.name] ?? values[port.name] else {
                throw .internal("nothing gives the input \"\(port.name)\"")
            }
            feeds[port.name] = value
        }
        return feeds
    }
}
