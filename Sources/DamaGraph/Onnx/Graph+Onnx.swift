import DamaSupport

/// Where a model's weights come from when a session runs it.
public enum WeightPlacement: Sendable, Equatable {
    /// Each run receives them, like the inputs: for weights in training.
    case inputs
    /// The session receives them when it is created (`AddInitializer`) and uses them where they are mapped.
    case initializers
    /// The session maps them itself: little-endian elements of the type `stored` from this byte of the file on. They are
    /// converted to the weight's own type when the session is created. The path is absolute.
    case file(path: String, offset: Int, stored: ElementType)
}

extension Graph {
    /// The version of ONNX's operators that nodes are written for; ONNX Runtime 1.17 and later support it.
    static let opset = 20
    private static let irVersion = 9
    private static let withOptionalOutputs: Set = ["LayerNormalization", "SimplifiedLayerNormalization"]

    /// The graph as an ONNX model. The same calls on a builder give the same bytes.
    public func onnx(weights placement: WeightPlacement = .initializers) -> [UInt8] {
        onnx { _ in placement }
    }

    /// The graph as an ONNX model, with a placement for each weight by its name. In a model whose adapters are trained,
    /// the adapters are inputs and all other weights initializers.
    public func onnx(weights placement: (String) -> WeightPlacement) -> [UInt8] {
        var model = ProtobufWriter()
        model.write(1, Self.irVersion)
        model.write(2, "libdama")
        model.write(7) { write(&$0, placement) }
        let isFused = nodes.contains { $0.domain == FusedOperators.domain }
        let own = isFused ? [(FusedOperators.domain, FusedOperators.version)] : []
        for (domain, version) in [("", Self.opset), ("com.microsoft", 1)] + own {
            model.write(8) {
                $0.write(1, domain)
                $0.write(2, version)
            }
        }
        return model.bytes
    }

    // The numbers below are the field numbers of onnx.proto.

    private func write(_ writer: inout ProtobufWriter, _ placement: (String) -> WeightPlacement) {
        var used = Set(outputs.map(\.id))
        for node in nodes { for case let input? in node.inputs { used.insert(input.id) } }
        for weight in weights where used.contains(weight.id) {
            guard let type = storedType(of: weight, placement) else { continue }
            writer.write(1) { writeConversion(of: weight, from: type, &$0) }
        }
        for node in nodes { writer.write(1) { write(node, used, &$0) } }
        writer.write(2, name)
        for id in values.indices where used.contains(id) {
            if case .constant(let tensor) = values[id].source {
                writer.write(5) { Self.write(tensor, values[id].name, &$0) }
            }
        }
        for weight in weights where used.contains(weight.id) {
            let place = placement(name(of: weight))
            if place != .inputs { writer.write(5) { writeExternal(weight, place, &$0) } }
        }
        for input in inputs { writer.write(11) { writePort(input, &$0) } }
        for weight in weights where used.contains(weight.id) && placement(name(of: weight)) == .inputs {
            writer.write(11) { writePort(weight, &$0) }
        }
        for output in outputs { writer.write(12) { writePort(output, &$0) } }
        // The runtime knows no shapes of these, and writes a result over an operand only if it knows that both have one
        // shape.
        let ports = Set(outputs.map(\.id))
        for node in nodes where node.domain == FusedOperators.domain {
            for output in node.outputs where used.contains(output.id) && !ports.contains(output.id) {
                writer.write(13) { writePort(output, &$0) }
            }
        }
    }

    private func write(_ node: Node, _ used: Set<Int>, _ writer: inout ProtobufWriter) {
        for input in node.inputs { writer.write(1, input.map(name(of:)) ?? "") }
        // Optional outputs that nothing reads cost time, and prevent the runtime from fusing nodes.
        let optional = Self.withOptionalOutputs.contains(node.op)
        let needed = optional ? max(1, (node.outputs.lastIndex { used.contains($0.id) } ?? 0) + 1) : node.outputs.count
        for (position, output) in node.outputs.prefix(needed).enumerated() {
            writer.write(2, !optional || position == 0 || used.contains(output.id) ? name(of: output) : "")
        }
        writer.write(3, node.name)
        writer.write(4, node.op)
        for (name, value) in node.attributes {
            writer.write(5) { attribute in
                attribute.write(1, name)
                switch value {
                case .float(let number):
                    attribute.write(2, number)
                    attribute.write(20, 1)
                case .int(let number):
                    attribute.write(3, number)
                    attribute.write(20, 2)
                case .string(let text):
                    attribute.write(4, text)
                    attribute.write(20, 3)
                case .ints(let numbers):
                    for number in numbers { attribute.write(8, number) }
                    attribute.write(20, 7)
                }
            }
        }
        if !node.domain.isEmpty { writer.write(7, node.domain) }
    }

    private static func write(_ tensor: ConstantTensor, _ name: String, _ writer: inout ProtobufWriter) {
        for length in tensor.shape { writer.write(1, length) }
        writer.write(2, Int(tensor.type.rawValue))
        writer.write(8, name)
        writer.write(9, tensor.bytes)
    }

    /// A tensor whose bytes lie elsewhere. Locations are relative to the root: the session's folder for external data
    /// is "/" (see `SessionOptions`), because the runtime rejects a symbolic link that leads out of its folder, and the
    /// files of a hub's cache are such links. The runtime never opens the file of a weight that the session receives by
    /// name, but it checks that the location exists.
    private func writeExternal(_ weight: Value, _ place: WeightPlacement, _ writer: inout ProtobufWriter) {
        var (location, offset, type) = ("dev/null", 0, weight.type)
        if case .file(let path, let start, let stored) = place {
            (location, offset, type) = (String(path.drop { $0 == "/" }), start, stored)
        }
        var bytes = type.size
        for dimension in weight.shape {
            let length = dimension.fixed ?? 0
            writer.write(1, length)
            bytes = bytes.multipliedReportingOverflow(by: length).partialValue
        }
        writer.write(2, Int(type.rawValue))
        writer.write(8, type == weight.type ? name(of: weight) : storedName(of: weight))
        for (key, value) in [("location", location), ("offset", "\(offset)"), ("length", "\(bytes)")] {
            writer.write(13) {
                $0.write(1, key)
                $0.write(2, value)
            }
        }
        writer.write(14, 1)
    }

    /// The type that a file has the weight in, where it is not the weight's own.
    private func storedType(of weight: Value, _ placement: (String) -> WeightPlacement) -> ElementType? {
        guard case .file(_, _, let stored) = placement(name(of: weight)), stored != weight.type else { return nil }
        return stored
    }

    private func storedName(of weight: Value) -> String { name(of: weight) + ".stored" }

    private func writeConversion(of weight: Value, from type: ElementType, _ writer: inout ProtobufWriter) {
        writer.write(1, storedName(of: weight))
        writer.write(2, name(of: weight))
        writer.write(3, name(of: weight) + "/convert")
        writer.write(4, "Cast")
        writer.write(5) { attribute in
            attribute.write(1, "to")
            attribute.write(3, Int(weight.type.rawValue))
            attribute.write(20, 2)
        }
    }

    private func writePort(_ value: Value, _ writer: inout ProtobufWriter) {
        writer.write(1, name(of: value))
        writer.write(2) { type in
            type.write(1) { tensor in
                tensor.write(1, Int(value.type.rawValue))
                tensor.write(2) { shape in
                    for dimension in value.shape {
                        shape.write(1) {
                            switch dimension {
                            case .fixed(let length): $0.write(1, length)
                            case .symbol(let name): $0.write(2, name)
                            }
                        }
                    }
                }
            }
        }
    }
}
