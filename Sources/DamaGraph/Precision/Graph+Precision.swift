import DamaSupport

extension Graph {
    /// The graph in another precision: weights and what nodes compute have its type.
    ///
    /// In float32 stay
    /// - statistics of normalisations, logarithms and exponentials, and the arithmetic on them: log-probabilities, and
    ///   from the seed to the gradient of the logits;
    /// - inputs and outputs of type float32, with a Cast inside, so that the host gives and takes floats.
    ///
    /// A value is cast at most once to each type, and a node's result has one type: no value is cast there and back.
    /// The graph has no gradient rules for several nodes any more: differentiate first.
    ///
    /// - Parameters:
    ///   - natural: Inputs and outputs without a Cast: key-value caches, and the activations between the halves of a
    ///     ``Differentiation``. Such an output has the type that the graph computes it in.
    ///   - types: The types of natural inputs, by their names; the precision's type for those that are not listed.
    /// - Throws: ``DamaError/Code/unsupported`` for a constant that is too large for float16. A mask does not count:
    ///   its −10⁹ becomes ``lowestMask``.
    public func lowered(
        to precision: Precision, natural: Set<String> = [], types: [String: ElementType] = [:]
    ) throws(DamaError) -> Graph {
        guard precision != .float32 else { return self }
        var lowering = Lowering(self, precision.elementType, natural, types)
        return try lowering.run()
    }

    /// What hides a key in float16, where −10⁹ would be −∞ and a row that hides every key NaN. Scores up to 2¹⁵ in
    /// magnitude can be added without reaching −∞, and exp(−2¹⁵) is 0 beside any visible key.
    package static let lowestMask: Float = -32768
}

extension Differentiation {
    /// Both halves in another precision; the activations pass between them in the type in which they are computed.
    ///
    /// - Parameter natural: Names of further inputs and outputs of either half without a Cast, for instance the
    ///   gradients of weights.
    public func lowered(to precision: Precision, natural: Set<String> = []) throws(DamaError) -> Differentiation {
        guard precision != .float32 else { return self }
        // What the host reads has a Cast, even if the backward half reads it too.
        let read = Set(seeds.map { String($0.dropLast(".seed".count)) })
        let natural = natural.union(Set(activations).subtracting(read))
        var result = self
        result.forward = try forward.lowered(to: precision, natural: natural)
        var types: [String: ElementType] = [:]
        for output in result.forward.outputs { types[result.forward.name(of: output)] = output.type }
        result.backward = try backward.lowered(to: precision, natural: natural, types: types)
        return result
    }
}
