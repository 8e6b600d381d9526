import DamaGraph
import DamaModels
import DamaRuntime
import DamaSupport
import Glibc
import Synchronization

/// A training step of a tiny model with a known gradient, run before the first training on a runtime.
///
/// Versions of the runtime differ in their kernels. A wrong forward kernel shows in the log-probabilities; a wrong
/// backward kernel would silently ruin the model.
enum GradientCheck {
    /// The result of the step: Σ seed · logits, and for each weight ⟨gradient, direction⟩.
    struct Result {
        var value: Double
        var slopes: [(weight: String, slope: Double)]
    }

    /// The expected result, with slopes in the order of the graph's weights, embeddings first. They are central
    /// differences in double precision of an independent forward pass:
    /// Tests/DamaTrainingTests/Fixtures/make_gradient_check.py.
    static let expected: (value: Double, slopes: [Double]) = (
        -0.938124851,
        [
            -1.272424, 0.5641255, 1.138588, -0.7825694, 2.777669, 1.993322, 1.107438, -1.185344, -4.301399, -2.989426,
            0.03402049, 0.4575313, -0.3722697, 1.438315, 0.2504972, -0.07433442, -1.186386, -0.9073234, 0.1965707,
            -0.05608697,
        ]
    )

    /// The tolerance relative to the largest slope. The error of fp32 is 1e-6, that of TF32 1e-3; a wrong operator
    /// causes a large one.
    static let tolerance = 2e-2

    private static let isRight = Mutex(false)

    /// Checks the runtime once in a process.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` naming the runtime, if its gradient is wrong.
    static func require(_ runtime: OnnxRuntime, _ device: Device) throws(DamaError) {
        // A process has one runtime.
        let isKnown = isRight.withLock { $0 }
        if isKnown { return }
        try judge(step(runtime, device), runtime.version)
        isRight.withLock { $0 = true }
    }

    static func judge(_ result: Result, _ version: String) throws(DamaError) {
        let scale = expected.slopes.map(abs).max() ?? 0
        let found = [("the logits", result.value)] + result.slopes.map { ("the gradient of \($0.weight)", $0.slope) }
        for ((name, value), right) in zip(found, [expected.value] + expected.slopes)
        where !(abs(value - right) <= tolerance * scale) {
            throw .unsupported(
                "ONNX Runtime \(version) computes wrong results: in a training step with a known result, \(name) is "
                    + "\(value), expected \(right); use another version for training")
        }
        guard result.slopes.count == expected.slopes.count else {
            throw .internal("the check has \(result.slopes.count) gradients, expected \(expected.slopes.count)")
        }
    }

    // MARK: The step

    static let hidden = 16

    static func step(_ runtime: OnnxRuntime, _ device: Device) throws(DamaError) -> Result {
        typealias Port = LlamaGraph.Port
        let configuration = try LlamaConfiguration(
            ConfigReader(
                .object([
                    "vocab_size": 12, "hidden_size": .int(Int64(hidden)), "intermediate_size": 24,
                    "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
                    "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
                    "tie_word_embeddings": false, "hidden_act": "silu",
                ]), place: "the gradient check"))
        let graph = try LlamaGraph(configuration).scoring(.logits, trainable: true)
        var parameters: [Parameter] = []
        var frozen: [String: Parameter] = [:]
        let placement: ParameterPlacement =
            device == .cpu ? .host : .device(try DevicePlace(runtime, device, .float32, offloads: false))
        for (number, weight) in graph.weights.enumerated() {
            let name = graph.name(of: weight)
            let parameter = try Parameter(
                name: name, graphName: name, shape: weight.shape.compactMap(\.fixed), placement: placement)
            let isNorm = parameter.shape.count == 1
            try parameter.set { elements in
                fill(elements, number + 1, scale: isNorm ? 0.2 : 0.4, offset: isNorm ? 1 : 0)
            }
            if name == "lm_head.weight" { frozen[name] = parameter } else { parameters.append(parameter) }
        }
        let model = try DifferentiableModel(
            graph, outputs: [Port.logits], parameters: parameters, inputs: [Port.embeddings],
            place: GraphPlace(runtime: runtime, device: device)
        ) { name, _ throws(DamaError) in
            guard let parameter = frozen[name] else { throw .internal("no frozen weight") }
            return try parameter.tensor(runtime)
        }
        let (inputs, rows) = try inputs(runtime, configuration)
        let seed = try FloatMemory(count: rows * configuration.vocabularySize)
        fill(seed.elements, 101, scale: 0.1)
        let pass = try model.forward(inputs, run: nil)
        guard let logits = pass.outputs[Port.logits] else { throw .internal("the gradient check has no logits") }
        let gradients = try model.backward(
            pass,
            seeds: [
                TensorValue(
                    runtime, borrowing: seed.bytes, type: .float32, shape: [rows, configuration.vocabularySize],
                    owner: seed)
            ], .replace, run: nil)
        guard let embeddings = try gradients[Port.embeddings]?.onHost() else {
            throw .internal("no gradient of the embeddings")
        }
        let value = try logits.withElements(of: Float.self) { elements in
            zip(elements, seed.elements).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        var slopes = [
            (weight: Port.embeddings, slope: try embeddings.withElements(of: Float.self) { slope(Array($0), 200) })
        ]
        for (number, parameter) in parameters.enumerated() {
            slopes.append((parameter.name, slope(try parameter.readGradient().array, 201 + number)))
        }
        return Result(value: value, slopes: slopes)
    }

    /// Two pairs, packed and padded as in a batch, with attention blocks of one query and of several.
    private static func inputs(
        _ runtime: OnnxRuntime, _ configuration: LlamaConfiguration
    ) throws(DamaError) -> (inputs: [String: TensorValue], rows: Int) {
        typealias Port = LlamaGraph.Port
        let sequences = [
            try TokenSequence(prefix: tokens(12), responses: [tokens(4), tokens(4)]),
            try TokenSequence(prefix: tokens(9), responses: [tokens(3), tokens(5)]),
        ]
        let length = sequences.map(\.count).max() ?? 0
        let embeddings = try FloatMemory(count: sequences.count * length * hidden)
        fill(embeddings.elements, 100, scale: 1)
        let mask = try FloatMemory(count: sequences.count * length * length)
        var (positions, predicting): ([Int64], [Int64]) = ([], [])
        for (index, sequence) in sequences.enumerated() {
            sequence.writeMask(
                into: UnsafeMutableBufferPointer(
                    rebasing: mask.elements[index * length * length..<(index + 1) * length * length]),
                length: length, blocked: -1e9)
            positions += sequence.positions.map(Int64.init)
            positions += [Int64](repeating: 0, count: length - sequence.count)
            predicting += sequence.predictingRows.map { Int64(index * length) + Int64($0) }
        }
        let (inverse, uses) = try RowGradients.inverse(of: predicting, count: sequences.count * length)
        let (batch, half) = (sequences.count, configuration.headSize / 2)
        let table = configuration.rotary.table(
            positions: (0..<length).map(Int32.init), headSize: configuration.headSize)
        func tensor(_ memory: FloatMemory, _ shape: [Int]) throws(DamaError) -> TensorValue {
            try TensorValue(runtime, borrowing: memory.bytes, type: .float32, shape: shape, owner: memory)
        }
        let inputs = [
            Port.embeddings: try tensor(embeddings, [batch, length, hidden]),
            Port.mask: try tensor(mask, [batch, 1, length, length]),
            Port.positions: try TensorValue(runtime, positions, shape: [batch, length]),
            Port.cosine: try TensorValue(runtime, table.cos, shape: [length, half]),
            Port.sine: try TensorValue(runtime, table.sin, shape: [length, half]),
            Port.rows: try TensorValue(runtime, predicting, shape: [predicting.count]),
            Port.inverseRows: try TensorValue(runtime, inverse, shape: [batch * length, uses]),
        ]
        return (inputs, predicting.count)
    }

    private static func tokens(_ count: Int) -> [Int32] { [Int32](repeating: 0, count: count) }

    /// Numbers without a low-rank pattern: sin(n + 0.7 i + 0.05 i²).
    private static func number(_ list: Int, _ index: Int) -> Double {
        let i = Double(index)
        return sin(Double(list) + 0.7 * i + 0.05 * i * i)
    }

    private static func fill(
        _ elements: UnsafeMutableBufferPointer<Float>, _ list: Int, scale: Double, offset: Double = 0
    ) {
        for index in elements.indices { elements[index] = Float(offset + scale * number(list, index)) }
    }

    private static func slope(_ gradient: [Float], _ list: Int) -> Double {
        gradient.enumerated().reduce(0) { $0 + Double($1.element) * number(list, $1.offset) }
    }
}
