import DamaSupport

extension Graph {
    /// The graph with each residual connection u = x + r and the `RmsNorm` of u as one operator, which reads x and r
    /// once and gives the same bits: u is rounded before it is normalised. Of several norms of one sum the first is
    /// replaced.
    ///
    /// Only for graphs with fused kernels; the rules of gradients do not know the operator, so differentiate first.
    public func fusingNorms() -> Graph {
        guard kernels.fused else { return self }
        var result = self
        var dropped: Set<Int> = []
        for (index, norm) in nodes.enumerated() where norm.op == "RmsNorm" {
            guard let place = result.residualSum(of: norm) else { continue }
            let sum = nodes[place]
            result.nodes[place] = Node(
                name: norm.name, op: "AddedRmsNorm", domain: FusedOperators.domain,
                inputs: sum.inputs + norm.inputs.dropFirst(), outputs: sum.outputs + norm.outputs,
                attributes: norm.attributes)
            dropped.insert(index)
        }
        result.keepNodes(at: nodes.indices.filter { !dropped.contains($0) })
        return result
    }

    /// The place of the sum that a norm reads, if both can be one operator there.
    private func residualSum(of norm: Node) -> Int? {
        guard norm.inputs.count == 2, let normed = norm.inputs[0], let scale = norm.inputs[1],
            case .node(let place) = values[normed.id].source, nodes[place].op == "Add",
            nodes[place].inputs.allSatisfy({ $0.map { $0.shape == normed.shape } ?? false })
        else { return nil }
        // The scale is a weight as a rule.
        if case .node(let source) = values[scale.id].source, source >= place { return nil }
        return place
    }
}

extension Differentiation {
    /// Both halves with their residual connections in the norms that read them, if they use fused kernels.
    public func fusingNorms() -> Differentiation {
        var result = self
        (result.forward, result.backward) = (forward.fusingNorms(), backward.fusingNorms())
        return result
    }
}
