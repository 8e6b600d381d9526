import DamaSupport

/// Parses a regular expression: alternatives, groups and their contents.
struct PatternParser {
    var reader: PatternReader
    var ignoresCase = false

    private static let maximumSource = 4096
    private static let maximumDepth = 64
    private static let maximumReach = 64

    init(_ source: String) {
        reader = PatternReader(source)
    }

    mutating func parse() throws(DamaError) -> PatternNode {
        let count = reader.scalars.count
        guard count <= Self.maximumSource else {
            throw .unsupported("a pattern of \(count) characters exceeds the limit of \(Self.maximumSource)")
        }
        let node = try parseAlternation(depth: 0)
        guard reader.isAtEnd else { throw reader.malformed("unmatched ')'") }
        return node
    }

    private mutating func parseAlternation(depth: Int) throws(DamaError) -> PatternNode {
        guard depth < Self.maximumDepth else {
            throw reader.unsupported("groups nested deeper than \(Self.maximumDepth)")
        }
        let outerCase = ignoresCase
        var branches: [PatternNode] = []
        repeat { branches.append(try parseSequence(depth: depth)) } while reader.take("|")
        ignoresCase = outerCase
        return branches.count == 1 ? branches[0] : .alternation(branches)
    }

    private mutating func parseSequence(depth: Int) throws(DamaError) -> PatternNode {
        var nodes: [PatternNode] = []
        var literals: [Unicode.Scalar] = []
        while let next = reader.peek(), next != "|", next != ")" {
            var node = try parseAtom(depth: depth)
            if ignoresCase {
                // Case folding that changes the number of characters ("ß" to "ss") is not implemented. Sequences with
                // such a folding are rejected, so that nothing is approximated.
                literals.append(next)
                if literals.count >= 2 { try refuseMultipleFolding(literals.suffix(2)) }
            }
            node = try parseQuantifiers(of: node)
            nodes.append(node)
        }
        return nodes.count == 1 ? nodes[0] : nodes.isEmpty ? .empty : .sequence(nodes)
    }

    private func refuseMultipleFolding(_ pair: ArraySlice<Unicode.Scalar>) throws(DamaError) {
        let text = String(String.UnicodeScalarView(pair)).lowercased()
        if ["ss", "ff", "fi", "fl", "st"].contains(text) {
            throw reader.unsupported("case-insensitive '\(text)', which also matches ligatures,")
        }
    }

    private mutating func parseAtom(depth: Int) throws(DamaError) -> PatternNode {
        guard let scalar = reader.advance() else { throw reader.malformed("unexpected end of the pattern") }
        switch scalar {
        case "(": return try parseGroup(depth: depth)
        case "[": return .set(try parseClass())
        case ".": return .set(ScalarSet([.range(0x0A...0x0A)], isNegated: true))
        case "\\":
            switch try parseEscape() {
            case .item(let item): return .set(set([item]))
            case .literal(let literal): return .set(try literalSet(literal))
            }
        case "*", "+", "?": throw reader.malformed("'\(scalar)' has nothing to repeat")
        case "^", "$": throw reader.unsupported("the anchor '\(scalar)'")
        default: return .set(try literalSet(scalar))
        }
    }

    private mutating func parseGroup(depth: Int) throws(DamaError) -> PatternNode {
        var look: Bool?
        let outerCase = ignoresCase
        if reader.take("?") {
            if reader.take("!") {
                look = true
            } else if reader.take("=") {
                look = false
            } else if reader.take("i") {
                ignoresCase = true
                if reader.take(")") {
                    // (?i) applies to the end of the enclosing group.
                    return try parseRest(depth: depth)
                }
                guard reader.take(":") else {
                    throw reader.unsupported("the group option 'i\(reader.peek().map(String.init) ?? "")'")
                }
            } else if !reader.take(":") {
                throw reader.unsupported("the group '(?\(reader.peek().map(String.init) ?? "")'")
            }
        }
        let body = try parseAlternation(depth: depth + 1)
        guard reader.take(")") else { throw reader.malformed("a group without a closing ')'") }
        ignoresCase = outerCase
        guard let isNegative = look else { return body }
        guard let reach = body.reach, reach <= Self.maximumReach else {
            throw reader.unsupported("look-ahead over more than \(Self.maximumReach) characters")
        }
        return .look(isNegative: isNegative, body)
    }

    /// Parses what follows `(?i)`. As in Oniguruma, later alternatives belong to it: `a(?i)b|c` is `a(?i:b|c)`.
    private mutating func parseRest(depth: Int) throws(DamaError) -> PatternNode {
        try parseAlternation(depth: depth + 1)
    }
}
