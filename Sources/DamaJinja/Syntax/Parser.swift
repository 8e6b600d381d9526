import DamaSupport

/// Reads tokens; ``Parser+Expressions`` and ``Parser+Statements`` know the grammar, which is Jinja's.
struct Parser {
    private let tokens: [PlacedToken]
    private var place = 0
    /// How deep expressions and blocks are nested.
    private var depth = 0

    /// Nesting beyond this would use up the stack.
    private static let depthLimit = 100

    init(_ source: String) throws(DamaError) { tokens = try Lexer.tokens(source) }

    var token: Token { tokens[place].token }
    var line: Int { tokens[place].line }
    func peek(_ offset: Int) -> Token { tokens[min(place + offset, tokens.count - 1)].token }

    /// The names that `body` passes over, of these.
    mutating func names<T>(
        of wanted: Set<String>, in body: (inout Parser) throws(DamaError) -> T
    ) throws(DamaError) -> (T, Set<String>) {
        let start = place
        let result = try body(&self)
        let found = tokens[start..<place].compactMap { if case .name(let name) = $0.token { name } else { nil } }
        return (result, wanted.intersection(found))
    }

    mutating func advance() { if place < tokens.count - 1 { place += 1 } }

    func isSymbol(_ symbol: String) -> Bool { token == .symbol(symbol) }
    func isName(_ name: String) -> Bool { token == .name(name) }

    /// Passes over the token if it is the next one.
    mutating func skip(symbol: String) -> Bool {
        guard isSymbol(symbol) else { return false }
        advance()
        return true
    }

    mutating func skip(name: String) -> Bool {
        guard isName(name) else { return false }
        advance()
        return true
    }

    mutating func expect(_ expected: Token) throws(DamaError) {
        guard token == expected else { throw unexpected("\(expected.description)") }
        advance()
    }

    mutating func expectName() throws(DamaError) -> String {
        guard case .name(let name) = token else { throw unexpected("a name") }
        advance()
        return name
    }

    func unexpected(_ expected: String) -> DamaError {
        TemplateError.syntax("found \(token.description), expected \(expected)", line: line)
    }

    /// Runs `body` one level deeper.
    mutating func nested<T>(_ body: (inout Parser) throws(DamaError) -> T) throws(DamaError) -> T {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthLimit else {
            throw TemplateError.syntax("nesting is deeper than \(Self.depthLimit) levels", line: line)
        }
        return try body(&self)
    }
}
