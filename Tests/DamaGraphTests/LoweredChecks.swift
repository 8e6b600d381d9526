import DamaSupport
import XCTest

@testable import DamaGraph

/// ONNX's rules on types, by walking a graph of reduced precision. They do not use the tables of `Lowering`.
extension Graph {
    private static let single: Set = ["LogSoftmax", "Exp", "Log", "Erf", "ReduceLogSumExp"]
    private static let computing: Set = [
        "MatMul", "FusedMatMul", "Softmax", "RotaryEmbedding", "GroupQueryAttention", "QuickGelu", "Gelu", "Sigmoid",
        "LayerNormalization", "SimplifiedLayerNormalization",
    ]
    /// Nodes that hand numbers on unchanged and exist in every type; Pad does not exist in bfloat16.
    private static let moving: Set = [
        "Reshape", "Transpose", "Slice", "Identity", "Expand", "Concat", "Split", "Gather",
    ]

    /// Checks the types of all nodes, the order of the nodes, the names, and that no Cast is needless.
    func checkLowered(to type: ElementType, _ what: String, file: StaticString = #filePath, line: UInt = #line) {
        func expect(_ condition: Bool, _ message: @autoclosure () -> String) {
            if !condition { XCTFail("\(what): \(message())", file: file, line: line) }
        }
        var known = Set((inputs + weights).map(\.id))
        for (id, entry) in values.enumerated() {
            if case .constant = entry.source { known.insert(id) }
        }
        var names: [String: Int] = [:]
        var producers: [Int: Node] = [:]
        var casts: Set<[Int]> = []
        for weight in weights { expect(weight.type == type, "the weight \(name(of: weight)) is \(weight.type)") }
        for node in nodes {
            let inputs = node.inputs.compactMap(\.self)
            for value in inputs + node.outputs {
                expect(values[value.id].type == value.type, "\(node.name): a reference has another type")
                expect(names[name(of: value), default: value.id] == value.id, "two values \(name(of: value))")
                names[name(of: value)] = value.id
            }
            for input in inputs { expect(known.contains(input.id), "\(node.name) reads what comes later") }
            for output in node.outputs {
                known.insert(output.id)
                producers[output.id] = node
            }
            let floats = (inputs + node.outputs.prefix(1)).filter(\.type.isFloatingPoint)
            switch node.op {
            case "Cast":
                expect(node.int("to") == Int(node.outputs[0].type.rawValue), "\(node.name): a wrong attribute")
                guard let from = inputs.first, from.type.isFloatingPoint else { continue }
                expect(from.type != node.outputs[0].type, "\(node.name) casts to the same type")
                expect(
                    casts.insert([from.id, Int(node.outputs[0].type.rawValue)]).inserted,
                    "\(name(of: from)) is cast twice")
                expect(!comesFromCast(from, producers, of: node.outputs[0].type), "\(node.name) casts back")
            case "Shape": break
            default:
                expect(
                    Set(floats.map(\.type)).count <= 1,
                    "\(node.name): \(node.op) of \(inputs.map(\.type)) to \(node.outputs.map(\.type))")
            }
            if let own = floats.first?.type {
                if Self.single.contains(node.op) { expect(own == .float32, "\(node.name) is \(own)") }
                if Self.computing.contains(node.op) { expect(own == type, "\(node.name) is \(own)") }
            }
            if node.op.hasSuffix("LayerNormalization") {
                for statistic in node.outputs.dropFirst() {
                    expect(statistic.type == .float32, "\(node.name): a statistic is \(statistic.type)")
                }
            }
        }
        for output in outputs { expect(known.contains(output.id), "no node gives \(name(of: output))") }
    }

    /// Whether all numbers of `value` come out of Casts from `type`.
    private func comesFromCast(_ value: Value, _ producers: [Int: Node], of type: ElementType) -> Bool {
        guard let node = producers[value.id] else { return false }
        if node.op == "Cast" { return node.inputs[0]?.type == type }
        guard Self.moving.contains(node.op) else { return false }
        return node.inputs.compactMap(\.self).filter(\.type.isFloatingPoint).allSatisfy {
            comesFromCast($0, producers, of: type)
        }
    }

    /// The number of casts between floating-point types.
    var castCount: Int {
        nodes.filter { $0.op == "Cast" && $0.inputs[0]?.type.isFloatingPoint == true }.count
    }

    /// `feeds` in the types of the graph's inputs and weights.
    func typed(_ feeds: [String: Tensor]) -> [String: Tensor] {
        var typed = feeds
        for port in inputs + weights { typed[name(of: port)]?.type = port.type }
        return typed
    }

    /// Random weights: matrices that keep the size of what they multiply, scales around 1.
    func randomWeights(_ generator: inout RandomGenerator) -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for weight in weights {
            let shape = weight.shape.compactMap(\.fixed)
            let inner = shape.dropFirst().reduce(1, *)
            var tensor = Tensor(
                random: &generator, shape, scale: shape.count > 1 ? 1 / Double(inner).squareRoot() : 0.1)
            if shape.count == 1, name(of: weight).contains("norm"), name(of: weight).hasSuffix(".weight") {
                tensor.values = tensor.values.map { 1 + $0 }
            }
            result[name(of: weight)] = tensor
        }
        return result
    }
}

extension Tensor {
    /// ‖self − other‖ / ‖other‖
    func relativeError(to other: Tensor) -> Double {
        guard shape == other.shape, values.allSatisfy(\.isFinite) else { return .infinity }
        let difference = zip(values, other.values).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        let size = other.values.reduce(0) { $0 + $1 * $1 }
        return (difference / max(size, 1e-30)).squareRoot()
    }
}
