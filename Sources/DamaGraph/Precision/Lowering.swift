import DamaSupport

/// One pass over a graph that gives its float32 values the type of another precision.
///
/// Each value has either a type of its own, or is open: it depends only on inputs and constants, through operators that
/// follow their operands. Nodes with open results are added when and in the type in which another node reads them.
/// So a mask is cast once as it enters, before it is cut into blocks, and a seed is not cast at all.
struct Lowering {
    private enum Kind {
        case fixed(ElementType)
        case open
    }

    private let source: Graph
    private let type: ElementType
    private let natural: Set<String>
    private let types: [String: ElementType]
    /// Inputs and constants that are added to attention's scores.
    private let masks: Set<Int>
    private var target: Graph
    private var taken: Set<String>
    /// By the ids of the source's values.
    private var kinds: [Kind]
    private var versions: [[ElementType: Value]]
    /// The types of outputs.
    private var ports: [Int: ElementType] = [:]

    init(_ source: Graph, _ type: ElementType, _ natural: Set<String>, _ types: [String: ElementType]) {
        (self.source, self.type, self.natural, self.types) = (source, type, natural, types)
        masks = source.maskRoots()
        target = Graph(name: source.name)
        target.kernels = source.kernels
        taken = Set(source.values.map(\.name) + source.nodes.map(\.name))
        kinds = source.values.map { .fixed($0.type) }
        versions = [[ElementType: Value]](repeating: [:], count: source.values.count)
        for id in source.outputs.map(\.id) { ports[id] = source.values[id].type }
    }

    mutating func run() throws(DamaError) -> Graph {
        for input in source.inputs {
            let name = source.name(of: input)
            var own = input.type
            if own == .float32, natural.contains(name) { own = types[name] ?? type }
            target.inputs.append(declare(input, own, .input))
            kinds[input.id] = own == .float32 && !natural.contains(name) ? .open : .fixed(own)
        }
        for weight in source.weights {
            let own = weight.type == .float32 ? type : weight.type
            target.weights.append(declare(weight, own, .weight))
            kinds[weight.id] = .fixed(own)
        }
        for (id, entry) in source.values.enumerated() {
            guard case .constant(let tensor) = entry.source else { continue }
            _ = declare(Value(id: id, type: entry.type, shape: entry.shape), entry.type, .constant(tensor))
            if entry.type == .float32 { kinds[id] = .open }
        }
        for node in source.nodes { try take(node) }
        for output in source.outputs {
            target.outputs.append(try value(output, as: ports[output.id] ?? output.type))
        }
        target.numberSources()
        return target
    }

    // MARK: Nodes

    private mutating func take(_ node: Node) throws(DamaError) {
        let operands = node.inputs.compactMap(\.self).filter { $0.type == .float32 }
        let results = node.outputs.filter { $0.type == .float32 }
        guard !operands.isEmpty || !results.isEmpty else { return try copy(node) }
        // A length or another type's number: whatever type the operand has.
        if results.isEmpty, node.op == "Shape" || node.op == "Cast" { return try copy(node) }

        let rules = OperatorTypes.of(node)
        let isOpen = operands.allSatisfy { if case .open = kinds[$0.id] { true } else { false } }
        if rules.kind == .following, isOpen, !results.isEmpty, !operands.isEmpty || node.op == "Cast" {
            for result in results {
                kinds[result.id] = .open
                guard ports[result.id] != nil else { continue }
                let port = natural.contains(source.name(of: result)) ? type : .float32
                ports[result.id] = port
                _ = try value(result, as: port)
            }
            return
        }
        let common = rules.isSupported(type) ? commonType(node, rules.kind, operands) : .float32
        for (position, result) in node.outputs.enumerated() where result.type == .float32 {
            let own = rules.singleOutputs.contains(position) ? .float32 : common
            kinds[result.id] = .fixed(own)
            if ports[result.id] != nil, natural.contains(source.name(of: result)) { ports[result.id] = own }
        }
        try add(node, as: common)
        for result in results {
            // Right after the node: the order of a backward half's last nodes decides what the runtime computes first.
            if let port = ports[result.id] { _ = try value(result, as: port) }
        }
    }

    /// The type in which a node computes.
    private func commonType(_ node: Node, _ kind: OperatorTypes.Kind, _ operands: [Value]) -> ElementType {
        switch kind {
        case .computing: return type
        case .single: return .float32
        case .following: break
        }
        var isReduced = false
        var singles: [Value] = []
        for operand in operands {
            guard case .fixed(let own) = kinds[operand.id] else { continue }
            if own == .float32 { singles.append(operand) } else { isReduced = true }
        }
        guard isReduced else { return .float32 }
        // A statistic that is broadcast over the numbers takes their type; arithmetic on statistics stays in float32.
        if singles.contains(where: { $0.shape == node.outputs[0].shape }) { return .float32 }
        // A sum with what the host holds in float32 loses nothing of it: Differentiation.accumulating.
        let isSum = node.op == "Add" && singles.isEmpty && ports[node.outputs[0].id] == .float32
        let hasPort = operands.contains {
            if case .input = source.values[$0.id].source, case .open = kinds[$0.id] {
                $0.shape == node.outputs[0].shape
            } else {
                false
            }
        }
        return isSum && hasPort && !natural.contains(source.name(of: node.outputs[0])) ? .float32 : type
    }

    /// Adds a node without float32 results.
    private mutating func copy(_ node: Node) throws(DamaError) {
        var copy = node
        for (position, input) in node.inputs.enumerated() {
            guard let input else { continue }
            copy.inputs[position] = try anyVersion(input)
        }
        copy.outputs = node.outputs.map { declare($0, $0.type, .node(0)) }
        target.nodes.append(copy)
    }

    /// Adds the node with results of type `common`, except those that its operator always has in float32.
    private mutating func add(_ node: Node, as common: ElementType) throws(DamaError) {
        let rules = OperatorTypes.of(node)
        var copy = node
        copy.op = OperatorTypes.name(node, common)
        for (position, input) in node.inputs.enumerated() {
            guard let input else { continue }
            let wanted = rules.singleInputs.contains(position) ? .float32 : common
            copy.inputs[position] = try value(input, as: input.type == .float32 ? wanted : input.type)
        }
        if node.outputs.contains(where: { !versions[$0.id].isEmpty }) { copy.name = unique("\(node.name):\(common)") }
        copy.outputs = node.outputs.enumerated().map { position, output in
            guard output.type == .float32 else { return declare(output, output.type, .node(0)) }
            return declare(output, rules.singleOutputs.contains(position) ? .float32 : common, .node(0))
        }
        if node.op == "Cast", let result = copy.outputs.first {
            copy.attributes = [("to", .int(Int(result.type.rawValue)))]
        }
        target.nodes.append(copy)
    }

    // MARK: Values

    /// The value in this type: as it is, cast, or computed in the type.
    private mutating func value(_ value: Value, as wanted: ElementType) throws(DamaError) -> Value {
        if let known = versions[value.id][wanted] { return known }
        switch (kinds[value.id], source.values[value.id].source) {
        case (.open, .constant(let tensor)):
            let converted = try convert(tensor, to: wanted, value)
            return declare(value, wanted, .constant(converted))
        case (.open, .node(let index)):
            let node = source.nodes[index]
            let isSupported = OperatorTypes.of(node).isSupported(wanted)
            try add(node, as: isSupported ? wanted : .float32)
        default: break
        }
        if let known = versions[value.id][wanted] { return known }
        guard var from = versions[value.id].first?.value else {
            throw .internal("\(source.name): \"\(source.name(of: value))\" is read before it is computed")
        }
        if wanted == .float16, masks.contains(value.id) { from = bounded(from, value) }
        return cast(from, to: wanted, value)
    }

    /// The value in any type, without further nodes if possible.
    private mutating func anyVersion(_ value: Value) throws(DamaError) -> Value {
        if let known = versions[value.id][type] ?? versions[value.id].first?.value { return known }
        return try self.value(value, as: value.type == .float32 ? type : value.type)
    }

    private mutating func cast(_ from: Value, to wanted: ElementType, _ value: Value) -> Value {
        let result = declare(value, wanted, .node(0))
        target.nodes.append(
            Node(
                name: unique("\(source.name(of: value)):to_\(wanted)"), op: "Cast", domain: "", inputs: [from],
                outputs: [result], attributes: [("to", .int(Int(wanted.rawValue)))]))
        return result
    }

    /// max(mask, ``Graph/lowestMask``)
    private mutating func bounded(_ mask: Value, _ value: Value) -> Value {
        let bound = append(
            unique("\(source.name(of: value)):lowest"),
            .constant(
                ConstantTensor(
                    type: .float32, shape: [], bytes: littleEndianBytes(Graph.lowestMask.bitPattern))), .float32, [])
        let result = append(unique("\(source.name(of: value)):bounded"), .node(0), .float32, value.shape)
        target.nodes.append(
            Node(
                name: target.name(of: result), op: "Max", domain: "", inputs: [mask, bound], outputs: [result],
                attributes: []))
        return result
    }

    private func convert(
        _ tensor: ConstantTensor, to wanted: ElementType, _ value: Value
    ) throws(DamaError) -> ConstantTensor {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(tensor.bytes.count / 2)
        for var number in tensor.floats {
            switch wanted {
            case .bfloat16: bytes += littleEndianBytes(BFloat16(number).bits)
            default:
                if masks.contains(value.id) { number = max(number, Graph.lowestMask) }
                let half = Float16(number)
                guard half.isFinite || !number.isFinite else {
                    throw .unsupported(
                        "\(source.name): the constant \(number) is too large for float16; use bfloat16 or float32")
                }
                bytes += littleEndianBytes(half.bitPattern)
            }
        }
        return ConstantTensor(type: wanted, shape: tensor.shape, bytes: bytes)
    }

    // MARK: Names

    /// A version of the source's value. It has the value's name if it is the port, or if there is no port and no other
    /// version.
    private mutating func declare(_ value: Value, _ own: ElementType, _ place: Graph.Source) -> Value {
        let name = source.name(of: value)
        let keepsName = ports[value.id].map { $0 == own } ?? versions[value.id].isEmpty
        let version = append(keepsName ? name : unique("\(name):\(own)"), place, own, value.shape)
        versions[value.id][own] = version
        return version
    }

    private mutating func append(
        _ name: String, _ place: Graph.Source, _ type: ElementType, _ shape: Shape
    ) -> Value {
        target.values.append(Graph.Entry(name: name, source: place, type: type, shape: shape))
        return Value(id: target.values.count - 1, type: type, shape: shape)
    }

    private mutating func unique(_ stem: String) -> String {
        var (name, number) = (stem, 1)
        while !taken.insert(name).inserted {
            number += 1
            name = "\(stem)_\(number)"
        }
        return name
    }
}

extension Graph {
    /// The float32 inputs and constants that reach a sum under a softmax through operators that follow their operands.
    fileprivate func maskRoots() -> Set<Int> {
        var roots: Set<Int> = []
        var seen: Set<Int> = []
        var open: [Value] = []
        for node in nodes where node.op == "Softmax" {
            guard let scores = node.inputs[0], case .node(let index) = values[scores.id].source,
                nodes[index].op == "Add"
            else { continue }
            open += nodes[index].inputs.compactMap(\.self)
        }
        while let value = open.popLast() {
            guard value.type == .float32, seen.insert(value.id).inserted else { continue }
            switch values[value.id].source {
            case .input, .constant: roots.insert(value.id)
            case .weight: break
            case .node(let index):
                if OperatorTypes.of(nodes[index]).kind == .following {
                    open += nodes[index].inputs.compactMap(\.self)
                }
            }
        }
        return roots
    }
}

extension ConstantTensor {
    /// The elements of a float32 constant.
    fileprivate var floats: [Float] {
        stride(from: 0, to: bytes.count - 3, by: 4).map { start in
            var word: UInt32 = 0
            for index in 0..<4 { word |= UInt32(bytes[start + index]) << UInt32(8 * index) }
            return Float(bitPattern: word)
        }
    }
}
