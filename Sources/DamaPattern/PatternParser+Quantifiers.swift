import DamaSupport

/// The quantifiers `* + ? {m,n}`, lazy and possessive.
extension PatternParser {
    mutating func parseQuantifiers(of atom: PatternNode) throws(DamaError) -> PatternNode {
        var node = atom
        var count = 0
        while let bounds = try parseBounds() {
            count += 1
            guard count == 1 else { throw reader.unsupported("a quantifier on a quantifier") }
            if case .look = atom { throw reader.unsupported("a quantifier on look-ahead") }
            var kind = PatternNode.Greed.greedy
            if reader.take("?") {
                guard !bounds.isInterval else { throw reader.unsupported("a lazy interval") }
                kind = .lazy
            } else if reader.peek() == "+" {
                guard !bounds.isInterval else { throw reader.unsupported("a quantifier on a quantifier") }
                guard case .set = atom else { throw reader.unsupported("a possessive quantifier on a group") }
                reader.position += 1
                kind = .possessive
            }
            node = .repetition(atom, minimum: bounds.minimum, maximum: bounds.maximum, kind: kind)
        }
        return node
    }

    private mutating func parseBounds() throws(DamaError) -> (minimum: Int, maximum: Int, isInterval: Bool)? {
        if reader.take("*") { return (0, .max, false) }
        if reader.take("+") { return (1, .max, false) }
        if reader.take("?") { return (0, 1, false) }
        guard reader.peek() == "{" else { return nil }
        let start = reader.position
        reader.position += 1
        let minimum = parseNumber()
        var maximum = minimum
        if reader.take(",") { maximum = parseNumber() ?? .max }
        guard reader.take("}"), minimum != nil || maximum != nil else {
            reader.position = start
            throw reader.unsupported("'{' without an interval {m}, {m,} or {m,n} (write \\{ for the character)")
        }
        guard let minimum, let maximum else { throw reader.unsupported("an interval without a lower bound") }
        guard minimum <= maximum, minimum <= 1000, maximum == .max || maximum <= 1000 else {
            throw reader.unsupported("the interval {\(minimum),\(maximum)} (bounds must be ascending and at most 1000)")
        }
        return (minimum, maximum, true)
    }

    private mutating func parseNumber() -> Int? {
        var value: Int?
        while let scalar = reader.peek(), ("0"..."9").contains(scalar) {
            value = min((value ?? 0) * 10 + Int(scalar.value - 0x30), 1_000_000)
            reader.position += 1
        }
        return value
    }
}
