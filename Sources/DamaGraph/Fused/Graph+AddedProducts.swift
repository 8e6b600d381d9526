import DamaSupport

extension Graph {
    /// The graph with sums u + scale · a b as one operator each, which adds the product to u where it lies: low-rank
    /// changes of a projection, and gradients that several projections send to their common input.
    ///
    /// A sum is replaced if u is a product or a sum too, and nothing else reads u, which then needs no copy, or the
    /// product. Residual connections stay: with them the forward half computes, bit for bit, what the graph computes that
    /// scores the reference, so that the gaps of a policy that equals its reference are 0. Only for graphs with fused
    /// kernels; the rules of gradients do not know the operator, so differentiate first.
    func fusingSums() -> Graph {
        guard kernels.fused else { return self }
        var reads: [Int: Int] = [:]
        for node in nodes { for case let input? in node.inputs { reads[input.id, default: 0] += 1 } }
        for output in outputs { reads[output.id, default: 0] += 1 }
        var result = self
        var dropped: Set<Int> = []
        for (index, node) in nodes.enumerated() where node.op == "Add" {
            guard let (place, other) = product(of: node, reads), !dropped.contains(place) else { continue }
            let product = nodes[place]
            var sum = node
            sum.op = "AddedProduct"
            sum.domain = FusedOperators.domain
            sum.inputs = [other] + product.inputs
            sum.attributes = [
                ("transA", .int(product.int("transA"))), ("transB", .int(product.int("transB"))),
                ("scale", .float(product.float("alpha", default: 1))),
            ]
            result.nodes[index] = sum
            dropped.insert(place)
        }
        result.keepNodes(at: nodes.indices.filter { !dropped.contains($0) })
        return result
    }

    /// The place of the product that a sum adds, and the sum's other operand; the later of two products.
    private func product(of sum: Node, _ reads: [Int: Int]) -> (place: Int, other: Value)? {
        guard sum.inputs.count == 2, let first = sum.inputs[0], let second = sum.inputs[1], first != second,
            first.shape == second.shape, reads[first.id] == 1, reads[second.id] == 1
        else { return nil }
        let found = [(first, second), (second, first)].compactMap { value, other -> (place: Int, other: Value)? in
            guard case .node(let place) = values[value.id].source, ["MatMul", "FusedMatMul"].contains(nodes[place].op),
                case .node(let before) = values[other.id].source,
                ["MatMul", "FusedMatMul", "Add"].contains(nodes[before].op), nodes[place].int("transA") == 0,
                let matrix = nodes[place].inputs[1], matrix.rank == 2
            else { return nil }
            return (place, other)
        }
        return found.max { $0.place < $1.place }
    }
}

extension Differentiation {
    /// Both halves with their sums of products as one operator each, if they use fused kernels.
    public func fusingSums() -> Differentiation {
        var result = self
        (result.forward, result.backward) = (forward.fusingSums(), backward.fusingSums())
        return result
    }
}
