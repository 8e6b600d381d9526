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
        /// The inputs of the forward run by name, and all that it returned, in its order; `nil` for what a part of a pass
        /// does not need.
        fileprivate var inputs: [String: TensorValue]
        fileprivate var results: [TensorValue?]

        /// The bytes of what the backward run takes: the values of the forward run, and the run's inputs.
        var byteCount: Int {
            inputs.values.reduce(0) { $0 + $1.byteCount } + results.reduce(0) { $0 + ($1?.byteCount ?? 0) }
        }
    }

    /// A session and where its inputs come from, in their order, so that a step looks up no names.
    private struct Half {
        var session: Session
        var ports: RunPorts
        var sources: [Source]
        /// The gradient that each output holds, by its place among the gradients; `nil` for other outputs.
        var targets: [Int?] = []
    }

    private enum Source {
        case weight(TensorValue)
        /// An input of the forward run.
        case input(String)
        /// By its place among what the forward run returned.
        case result(Int)
        case seed(Int)
        /// The gradient so far, by its place among the gradients.
        case gradient(Int)
    }

    private let runtime: OnnxRuntime
    private let differentiation: Differentiation
    private let forwardHalf: Half
    private let backwardHalf: Half
    /// The backward run that adds to existing gradients; created on first use.
    private var accumulatingHalf: Half?
    private let backwardOptions: SessionOptions
    private let outputs: [String]
    /// The places of what a forward run returns, by name.
    private let resultPlaces: [String: Int]
    private let weights: [String: TensorValue]
    private let parameters: [String: Parameter]
    /// The parameter of each gradient; `nil` for that of an input.
    private let gradientParameters: [Parameter?]

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
        self.parameters = Dictionary(parameters.map { ($0.graphName, $0) }) { first, _ in first }
        differentiation = try Self.halves(
            graph, outputs: outputs, trained: parameters.map(\.graphName) + inputs, recompute: scopes,
            place.precision, natural: place.natural)
        gradientParameters = differentiation.gradients.map { [parameters = self.parameters] in parameters[$0.name] }
        var weights: [String: TensorValue] = [:]
        for parameter in parameters { weights[parameter.graphName] = try parameter.tensor(runtime) }
        self.weights = weights
        let trained = self.parameters
        func options(_ graph: Graph) throws(DamaError) -> SessionOptions {
            var options = SessionOptions()
            options.device = place.device
            options.registersKernels = graph.kernels.fused
            options.packsInputs = true
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
        let forwardSession = try Self.session(
            runtime, differentiation.forward, trained, options(differentiation.forward))
        let activations = differentiation.activations.filter { !outputs.contains($0) }
        let forwardPorts = RunPorts(
            inputs: forwardSession.inputs.map(\.name), outputs: outputs + activations,
            resident: Set(activations).union(place.natural.intersection(outputs)))
        forwardHalf = Half(
            session: forwardSession, ports: forwardPorts,
            sources: forwardPorts.inputs.map { weights[$0].map(Source.weight) ?? .input($0) })
        backwardOptions = try options(differentiation.backward)
        let backwardSession = try Self.session(runtime, differentiation.backward, trained, backwardOptions)
        resultPlaces = Self.places(forwardPorts.outputs)
        backwardHalf = Self.backward(backwardSession, differentiation, weights, resultPlaces)
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

    private static func backward(
        _ session: Session, _ differentiation: Differentiation, _ weights: [String: TensorValue],
        _ results: [String: Int]
    ) -> Half {
        let dense = differentiation.gradients.map(\.dense)
        let (gradients, seeds) = (places(dense), places(differentiation.seeds))
        let before = places(dense.map { $0.map(Differentiation.before) })
        let ports = RunPorts(allOf: session)
        let sources = ports.inputs.map { name in
            if let weight = weights[name] { return Source.weight(weight) }
            if let place = before[name] { return .gradient(place) }
            if let place = seeds[name] { return .seed(place) }
            return results[name].map(Source.result) ?? .input(name)
        }
        return Half(session: session, ports: ports, sources: sources, targets: ports.outputs.map { gradients[$0] })
    }

    private static func places(_ names: [String?]) -> [String: Int] {
        var places: [String: Int] = [:]
        for case (let place, let name?) in names.enumerated() { places[name] = place }
        return places
    }

    func forward(_ inputs: [String: TensorValue], run: RunOptions?) throws(DamaError) -> Pass {
        var pass = Pass(outputs: [:], inputs: inputs, results: [])
        pass.results = try forwardHalf.session.run(
            forwardHalf.ports, values(of: forwardHalf, pass), options: run)
        pass.outputs = Dictionary(zip(outputs, pass.results).compactMap { name, value in value.map { (name, $0) } }) {
            $1
        }
        return pass
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
        var part = Pass(
            outputs: [:], inputs: inputs, results: [TensorValue?](repeating: nil, count: pass.results.count))
        for input in differentiation.backward.inputs {
            let name = differentiation.backward.name(of: input)
            let place = resultPlaces[name]
            guard part.inputs[name] == nil, let value = place.map({ pass.results[$0] }) ?? pass.inputs[name] else {
                continue
            }
            var own = value
            if case .symbol(let axis)? = input.shape.first, let range = axes[axis] {
                own = try value.part(range)
            } else if place != nil {
                return nil
            }
            if let place { part.results[place] = own } else { part.inputs[name] = own }
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
        var memory: [TensorValue?] = []
        memory.reserveCapacity(gradientParameters.count)
        for (gradient, parameter) in zip(differentiation.gradients, gradientParameters) {
            memory.append(gradient.dense == nil ? nil : try parameter?.gradientTensor(runtime))
            if gradient.dense == nil, update == .replace { try parameter?.clearGradient() }
        }
        let half = try update == .replace ? backwardHalf : accumulating()
        let results = try half.session.run(
            half.ports, values(of: half, pass, seeds: seeds, gradients: memory),
            into: half.targets.map { $0.flatMap { memory[$0] } }, options: run)
        func value(_ name: String) -> TensorValue? {
            if let place = half.ports.outputs.firstIndex(of: name) { return results[place] }
            return resultPlaces[name].flatMap { pass.results[$0] } ?? pass.inputs[name]
        }
        var inputGradients: [String: TensorValue] = [:]
        for (gradient, parameter) in zip(differentiation.gradients, gradientParameters) {
            guard let parameter else {
                if let dense = gradient.dense { inputGradients[gradient.name] = value(dense) }
                continue
            }
            for rows in gradient.rows {
                guard case .host = parameter.home else {
                    throw .unsupported("the gradient of \(parameter.name) comes as rows, which only the host adds up")
                }
                guard let indices = value(rows.indices), let rowValues = value(rows.values) else { continue }
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

    private func accumulating() throws(DamaError) -> Half {
        if let accumulatingHalf { return accumulatingHalf }
        let session = try Self.session(
            runtime, differentiation.accumulating(Set(parameters.keys)), parameters, backwardOptions)
        let half = Self.backward(session, differentiation, weights, resultPlaces)
        accumulatingHalf = half
        return half
    }

    /// The values of a half's inputs, in their order.
    private func values(
        of half: Half, _ pass: Pass, seeds: [TensorValue] = [], gradients: [TensorValue?] = []
    ) throws(DamaError) -> [TensorValue] {
        var values: [TensorValue] = []
        values.reserveCapacity(half.sources.count)
        for (index, source) in half.sources.enumerated() {
            let value: TensorValue? =
                switch source {
                case .weight(let weight): weight
                case .input(let name): pass.inputs[name]
                case .result(let place): pass.results[place]
                case .seed(let place): seeds.indices.contains(place) ? seeds[place] : nil
                case .gradient(let place): gradients[place]
                }
            guard let value else { throw .internal("the input \"\(half.ports.inputs[index])\" has no value") }
            values.append(value)
        }
        return values
    }
}
