import DamaSupport

/// Parses a regular expression and emits the instructions of a ``Pattern``.
struct PatternCompiler {
    private(set) var instructions: [Pattern.Instruction] = []
    private(set) var sets: [ScalarSet] = []

    private let source: String
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var ignoresCase = false

    private static let maximumInstructions = 512
    private static let maximumSource = 4096
    private static let maximumDepth = 64
    private static let maximumReach = 64

    init(_ source: String) {
        self.source = source
        scalars = Array(source.unicodeScalars)
    }

    mutating func compile() throws(DamaError) {
        guard scalars.count <= Self.maximumSource else {
            throw .unsupported("a pattern of \(scalars.count) characters is over the limit of \(Self.maximumSource)")
        }
        let node = try parseAlternation(depth: 0)
        guard position == scalars.count else { throw malformed("unmatched ')'") }
        try emit(node)
        try append(.match)
    }

    // MARK: - Syntax tree

    private indirect enum Node {
        case empty
        case set(ScalarSet)
        case sequence([Node])
        case alternation([Node])
        case look(isNegative: Bool, Node)
        case repetition(Node, minimum: Int, maximum: Int, kind: Greed)

        /// The most scalars it can match; `nil` where there is no bound.
        var reach: Int? {
            switch self {
            case .empty, .look: return 0
            case .set: return 1
            case .sequence(let nodes):
                var sum = 0
                for node in nodes {
                    guard let reach = node.reach else { return nil }
                    let (next, overflow) = sum.addingReportingOverflow(reach)
                    if overflow { return nil }
                    sum = next
                }
                return sum
            case .alternation(let nodes):
                var most = 0
                for node in nodes {
                    guard let reach = node.reach else { return nil }
                    most = max(most, reach)
                }
                return most
            case .repetition(let node, _, let maximum, _):
                guard let reach = node.reach else { return nil }
                if maximum == .max { return reach == 0 ? 0 : nil }
                let (product, overflow) = reach.multipliedReportingOverflow(by: maximum)
                return overflow ? nil : product
            }
        }
    }

    private enum Greed { case greedy, lazy, possessive }

    private mutating func parseAlternation(depth: Int) throws(DamaError) -> Node {
        guard depth < Self.maximumDepth else { throw unsupported("groups nested deeper than \(Self.maximumDepth)") }
        let outerCase = ignoresCase
        var branches: [Node] = []
        repeat { branches.append(try parseSequence(depth: depth)) } while take("|")
        ignoresCase = outerCase
        return branches.count == 1 ? branches[0] : .alternation(branches)
    }

    private mutating func parseSequence(depth: Int) throws(DamaError) -> Node {
        var nodes: [Node] = []
        var literals: [Unicode.Scalar] = []
        while let next = peek(), next != "|", next != ")" {
            let start = position
            var node = try parseAtom(depth: depth)
            if ignoresCase {
                // Case folding that changes the number of characters ("ß" for "ss") is not implemented; so that nothing
                // is approximated, the sequences that have such a folding are refused.
                literals.append(next)
                if literals.count >= 2 { try refuseMultipleFolding(literals.suffix(2)) }
            }
            node = try parseQuantifiers(of: node, at: start)
            nodes.append(node)
        }
        return nodes.count == 1 ? nodes[0] : nodes.isEmpty ? .empty : .sequence(nodes)
    }

    private func refuseMultipleFolding(_ pair: ArraySlice<Unicode.Scalar>) throws(DamaError) {
        let text = String(String.UnicodeScalarView(pair)).lowercased()
        if ["ss", "ff", "fi", "fl", "st"].contains(text) {
            throw unsupported("'\(text)' regardless of case, which ligatures match as well")
        }
    }

    private mutating func parseAtom(depth: Int) throws(DamaError) -> Node {
        guard let scalar = advance() else { throw malformed("the pattern ends too soon") }
        switch scalar {
        case "(": return try parseGroup(depth: depth)
        case "[": return .set(try parseClass())
        case ".": return .set(ScalarSet([.range(0x0A...0x0A)], isNegated: true))
        case "\\":
            switch try parseEscape() {
            case .item(let item): return .set(set([item]))
            case .literal(let literal): return .set(try literalSet(literal))
            }
        case "*", "+", "?": throw malformed("'\(scalar)' with nothing before it to repeat")
        case "^", "$": throw unsupported("the anchor '\(scalar)'")
        default: return .set(try literalSet(scalar))
        }
    }

    private mutating func parseGroup(depth: Int) throws(DamaError) -> Node {
        var look: Bool?
        let outerCase = ignoresCase
        if take("?") {
            if take("!") {
                look = true
            } else if take("=") {
                look = false
            } else if take("i") {
                ignoresCase = true
                if take(")") {
                    // (?i) holds to the end of the enclosing group.
                    return try parseRest(depth: depth)
                }
                guard take(":") else { throw unsupported("the group option 'i\(peek().map(String.init) ?? "")'") }
            } else if !take(":") {
                throw unsupported("the group '(?\(peek().map(String.init) ?? "")'")
            }
        }
        let body = try parseAlternation(depth: depth + 1)
        guard take(")") else { throw malformed("a group without its ')'") }
        ignoresCase = outerCase
        guard let isNegative = look else { return body }
        guard let reach = body.reach, reach <= Self.maximumReach else {
            throw unsupported("look-ahead over more than \(Self.maximumReach) characters")
        }
        return .look(isNegative: isNegative, body)
    }

    /// What follows `(?i)`. As in Oniguruma, alternatives after it belong to it: `a(?i)b|c` is `a(?i:b|c)`.
    private mutating func parseRest(depth: Int) throws(DamaError) -> Node {
        try parseAlternation(depth: depth + 1)
    }

    // MARK: - Quantifiers

    private mutating func parseQuantifiers(of atom: Node, at start: Int) throws(DamaError) -> Node {
        var node = atom
        var count = 0
        while let bounds = try parseBounds() {
            count += 1
            guard count == 1 else { throw unsupported("a quantifier on a quantifier") }
            if case .look = atom { throw unsupported("a quantifier on look-ahead") }
            var kind = Greed.greedy
            if take("?") {
                guard !bounds.isInterval else { throw unsupported("a lazy interval") }
                kind = .lazy
            } else if peek() == "+" {
                guard !bounds.isInterval else { throw unsupported("a quantifier on a quantifier") }
                guard case .set = atom else { throw unsupported("a possessive quantifier on a group") }
                position += 1
                kind = .possessive
            }
            node = .repetition(atom, minimum: bounds.minimum, maximum: bounds.maximum, kind: kind)
        }
        return node
    }

    private mutating func parseBounds() throws(DamaError) -> (minimum: Int, maximum: Int, isInterval: Bool)? {
        if take("*") { return (0, .max, false) }
        if take("+") { return (1, .max, false) }
        if take("?") { return (0, 1, false) }
        guard peek() == "{" else { return nil }
        let start = position
        position += 1
        let minimum = parseNumber()
        var maximum = minimum
        if take(",") { maximum = parseNumber() ?? .max }
        guard take("}"), minimum != nil || maximum != nil else {
            position = start
            throw unsupported("'{' that begins no interval {m}, {m,} or {m,n}; write \\{ for the character")
        }
        guard let minimum, let maximum else { throw unsupported("an interval without its lower bound") }
        guard minimum <= maximum, minimum <= 1000, maximum == .max || maximum <= 1000 else {
            throw unsupported("the interval {\(minimum),\(maximum)}; bounds must rise and be at most 1000")
        }
        return (minimum, maximum, true)
    }

    private mutating func parseNumber() -> Int? {
        var value: Int?
        while let scalar = peek(), ("0"..."9").contains(scalar) {
            value = min((value ?? 0) * 10 + Int(scalar.value - 0x30), 1_000_000)
            position += 1
        }
        return value
    }

    // MARK: - Classes and characters

    private enum Escape {
        case item(ScalarSet.Item)
        case literal(Unicode.Scalar)
    }

    private func set(_ items: [ScalarSet.Item], isNegated: Bool = false) -> ScalarSet {
        ScalarSet(items, isNegated: isNegated, ignoresCase: ignoresCase)
    }

    private func literalSet(_ scalar: Unicode.Scalar) throws(DamaError) -> ScalarSet {
        if ignoresCase, scalar.value >= 0x80 { throw unsupported("'\(scalar)' regardless of case") }
        return set([.range(scalar.value...scalar.value)])
    }

    private mutating func parseEscape() throws(DamaError) -> Escape {
        guard let scalar = advance() else { throw malformed("the pattern ends in '\\'") }
        switch scalar {
        case "s", "S": return .item(.space(negated: scalar == "S"))
        case "d", "D": return .item(.categories(CategorySet(.decimalNumber), negated: scalar == "D"))
        case "w", "W": return .item(.categories(.word, negated: scalar == "W"))
        case "p", "P":
            guard take("{") else { throw unsupported("'\\\(scalar)' without a name in braces") }
            let inverted = take("^")
            var name = ""
            while let next = peek(), next != "}" {
                name.unicodeScalars.append(next)
                position += 1
            }
            guard take("}") else { throw malformed("'\\\(scalar){' without its '}'") }
            guard let categories = CategorySet(name: name) else {
                throw unsupported("the property '\(name)'; general categories such as L, Lu, N, Nd, P, S are supported")
            }
            return .item(.categories(categories, negated: (scalar == "P") != inverted))
        case "r": return .literal("\r")
        case "n": return .literal("\n")
        case "t": return .literal("\t")
        case "f": return .literal("\u{0C}")
        case "v": return .literal("\u{0B}")
        case "u": return .literal(try parseHexadecimal(digits: 4))
        case "x":
            if take("{") {
                let value = try parseHexadecimal(digits: nil)
                guard take("}") else { throw malformed("'\\x{' without its '}'") }
                return .literal(value)
            }
            let value = try parseHexadecimal(digits: 2)
            guard value.value < 0x80 else { throw unsupported("'\\x' with a byte beyond ASCII") }
            return .literal(value)
        default:
            guard scalar.value < 0x80, !scalar.properties.isAlphabetic, !UnicodeClass.isNumeric(scalar) else {
                throw unsupported("the escape '\\\(scalar)'")
            }
            return .literal(scalar)
        }
    }

    private mutating func parseHexadecimal(digits: Int?) throws(DamaError) -> Unicode.Scalar {
        var value: UInt32 = 0
        var count = 0
        while count < digits ?? 6, let next = peek(), let digit = Character(next).hexDigitValue {
            value = value << 4 | UInt32(digit)
            count += 1
            position += 1
        }
        guard count > 0, digits == nil || count == digits, let scalar = Unicode.Scalar(value) else {
            throw malformed("an escape that names no character")
        }
        return scalar
    }

    private mutating func parseClass() throws(DamaError) -> ScalarSet {
        let isNegated = take("^")
        if isNegated, ignoresCase { throw unsupported("a negated class regardless of case") }
        var items: [ScalarSet.Item] = []
        while true {
            guard let scalar = advance() else { throw malformed("a class without its ']'") }
            if scalar == "]" {
                guard !items.isEmpty else { throw unsupported("an empty class, or ']' first in a class; write \\]") }
                return set(items, isNegated: isNegated)
            }
            guard let lower = try parseClassMember(scalar, into: &items) else { continue }
            guard peek() == "-", position + 1 < scalars.count, scalars[position + 1] != "]" else {
                items.append(.range(lower.value...lower.value))
                continue
            }
            position += 1
            guard let next = advance() else { throw malformed("a class without its ']'") }
            var ignored: [ScalarSet.Item] = []
            guard let upper = try parseClassMember(next, into: &ignored) else {
                throw unsupported("a range whose end is a class")
            }
            guard lower.value <= upper.value else { throw malformed("the range '\(lower)-\(upper)' is empty") }
            items.append(.range(lower.value...upper.value))
        }
    }

    /// One member: a character, which is returned, or an escape such as `\s`, which is added to `items`.
    private mutating func parseClassMember(
        _ scalar: Unicode.Scalar, into items: inout [ScalarSet.Item]
    ) throws(DamaError) -> Unicode.Scalar? {
        switch scalar {
        case "[": throw unsupported("a class inside a class; write \\[ for the character")
        case "&" where peek() == "&": throw unsupported("'&&' in a class")
        case "\\":
            switch try parseEscape() {
            case .literal(let literal): return try checkedForCase(literal)
            case .item(let item):
                items.append(item)
                return nil
            }
        default: return try checkedForCase(scalar)
        }
    }

    private func checkedForCase(_ scalar: Unicode.Scalar) throws(DamaError) -> Unicode.Scalar {
        if ignoresCase, scalar.value >= 0x80 { throw unsupported("'\(scalar)' regardless of case") }
        return scalar
    }

    // MARK: - Instructions

    private mutating func append(_ instruction: Pattern.Instruction) throws(DamaError) {
        guard instructions.count < Self.maximumInstructions else {
            throw unsupported("more than \(Self.maximumInstructions) instructions once intervals are written out")
        }
        instructions.append(instruction)
    }

    private mutating func index(of set: ScalarSet) -> Int {
        if let known = sets.firstIndex(of: set) { return known }
        sets.append(set)
        return sets.count - 1
    }

    private mutating func emit(_ node: Node) throws(DamaError) {
        switch node {
        case .empty: break
        case .set(let set): try append(.scalar(index(of: set)))
        case .sequence(let nodes): for node in nodes { try emit(node) }
        case .alternation(let nodes):
            var ends: [Int] = []
            for (number, node) in nodes.enumerated() {
                let isLast = number == nodes.count - 1
                let split = instructions.count
                if !isLast { try append(.split(split + 1, 0)) }
                try emit(node)
                if !isLast {
                    ends.append(instructions.count)
                    try append(.jump(0))
                    instructions[split] = .split(split + 1, instructions.count)
                }
            }
            for end in ends { instructions[end] = .jump(instructions.count) }
        case .look(let isNegative, let body):
            let start = instructions.count
            try append(.look(isNegative: isNegative, reach: 0, next: 0))
            try emit(body)
            try append(.match)
            instructions[start] = .look(isNegative: isNegative, reach: body.reach ?? 0, next: instructions.count)
        case .repetition(let body, let minimum, let maximum, let kind):
            if case .set(let set) = body, kind != .lazy {
                try append(
                    .run(
                        set: index(of: set), minimum: minimum, maximum: maximum, isPossessive: kind == .possessive))
                return
            }
            for _ in 0..<minimum {
                let start = instructions.count
                try emit(body)
                if instructions.count == start { break }
            }
            if maximum == .max {
                let start = instructions.count
                try append(.split(0, 0))
                try emit(body)
                try append(.jump(start))
                instructions[start] = split(start + 1, instructions.count, kind)
            } else {
                var starts: [Int] = []
                for _ in minimum..<maximum {
                    starts.append(instructions.count)
                    try append(.split(0, 0))
                    try emit(body)
                }
                for start in starts { instructions[start] = split(start + 1, instructions.count, kind) }
            }
        }
    }

    private func split(_ body: Int, _ exit: Int, _ kind: Greed) -> Pattern.Instruction {
        kind == .lazy ? .split(exit, body) : .split(body, exit)
    }

    // MARK: - Reading

    private func peek() -> Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func advance() -> Unicode.Scalar? {
        guard let scalar = peek() else { return nil }
        position += 1
        return scalar
    }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard peek() == scalar else { return false }
        position += 1
        return true
    }

    private func unsupported(_ what: String) -> DamaError {
        .unsupported("pattern \"\(source.prefix(200))\", character \(position): \(what) is not supported")
    }

    private func malformed(_ what: String) -> DamaError {
        .model("pattern \"\(source.prefix(200))\", character \(position): \(what)")
    }
}
