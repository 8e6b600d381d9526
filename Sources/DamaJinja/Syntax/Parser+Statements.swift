import DamaSupport

extension Parser {
    /// A whole template.
    static func template(_ source: String) throws(DamaError) -> [Statement] {
        var parser = try Parser(source)
        let statements = try parser.statements(until: [])
        guard parser.token == .end else { throw parser.unexpected("the end of the template") }
        return statements
    }

    /// Statements up to a block that begins with one of `names`; its `{%` has been passed then.
    mutating func statements(until names: Set<String>) throws(DamaError) -> [Statement] {
        try nested { parser throws(DamaError) in
            var result: [Statement] = []
            let start = parser.line
            while true {
                switch parser.token {
                case .data(let text):
                    result.append(.text(text))
                    parser.advance()
                case .variableBegin:
                    let line = parser.line
                    parser.advance()
                    result.append(.output(try parser.tupleOrExpression(), line: line))
                    try parser.expect(.variableEnd)
                case .blockBegin:
                    parser.advance()
                    if case .name(let name) = parser.token, names.contains(name) { return result }
                    result.append(try parser.statement())
                    try parser.expect(.blockEnd)
                case .end:
                    guard names.isEmpty else {
                        let wanted = names.sorted().joined(separator: " or ")
                        throw TemplateError.syntax("a block does not end; expected {% \(wanted) %}", line: start)
                    }
                    return result
                default: throw parser.unexpected("text or a tag")
                }
            }
        }
    }

    /// The body of a block: from its `%}` to the end block `name`, whose name is passed and whose `%}` is not.
    private mutating func body(until name: String) throws(DamaError) -> [Statement] {
        try expect(.blockEnd)
        let result = try statements(until: [name])
        advance()
        return result
    }

    private mutating func statement() throws(DamaError) -> Statement {
        let line = line
        let name = try expectName()
        switch name {
        case "if": return try condition(line)
        case "for": return try loop(line)
        case "set": return try assignment(line)
        case "with": return try with(line)
        case "macro":
            let name = try expectName()
            let (parameters, defaults) = try self.parameters()
            return .macro(try macro(name, parameters, defaults, until: "endmacro", line))
        case "call":
            let (parameters, defaults) = isSymbol("(") ? try self.parameters() : ([], [])
            let call = try expression()
            let caller = try macro("caller", parameters, defaults, until: "endcall", line)
            return .callBlock(caller, call: call, line: line)
        case "filter":
            var filters = [try filter()]
            while skip(symbol: "|") { filters.append(try filter()) }
            return .filterBlock(filters, try body(until: "endfilter"), line: line)
        case "generation": return .block(try body(until: "endgeneration"))
        case "break": return .breakLoop
        case "continue": return .continueLoop
        case "include", "import", "from", "extends", "block":
            throw TemplateError.unsupported(
                "{% \(name) %} needs other templates, which is not supported", line: line)
        default: throw TemplateError.syntax("unknown tag {% \(name) %}", line: line)
        }
    }

    private mutating func condition(_ line: Int) throws(DamaError) -> Statement {
        var branches: [(Expression, [Statement])] = []
        var otherwise: [Statement] = []
        var test = try tupleOrExpression(allowsCondition: false)
        while true {
            try expect(.blockEnd)
            let body = try statements(until: ["elif", "else", "endif"])
            branches.append((test, body))
            if skip(name: "elif") {
                test = try tupleOrExpression(allowsCondition: false)
                continue
            }
            if skip(name: "else") {
                try expect(.blockEnd)
                otherwise = try statements(until: ["endif"])
            }
            try expect(.name("endif"))
            return .condition(branches, else: otherwise, line: line)
        }
    }

    private mutating func loop(_ line: Int) throws(DamaError) -> Statement {
        let target = try target(allowsAttribute: false)
        try expect(.name("in"))
        let items = try tupleOrExpression(allowsCondition: false)
        let condition = skip(name: "if") ? try expression() : nil
        let isRecursive = skip(name: "recursive")
        try expect(.blockEnd)
        let body = try statements(until: ["endfor", "else"])
        var otherwise: [Statement] = []
        if skip(name: "else") {
            try expect(.blockEnd)
            otherwise = try statements(until: ["endfor"])
        }
        try expect(.name("endfor"))
        return .loop(
            Statement.Loop(
                target: target, items: items, condition: condition, isRecursive: isRecursive, body: body,
                otherwise: otherwise, line: line))
    }

    private mutating func assignment(_ line: Int) throws(DamaError) -> Statement {
        let target = try target(allowsAttribute: true)
        if skip(symbol: "=") { return .set(target, try tupleOrExpression(), line: line) }
        var filters: [(String, CallArguments)] = []
        while skip(symbol: "|") { filters.append(try filter()) }
        return .setBlock(target, filters: filters, try body(until: "endset"), line: line)
    }

    private mutating func with(_ line: Int) throws(DamaError) -> Statement {
        var values: [(Target, Expression)] = []
        while token != .blockEnd {
            if !values.isEmpty { try expect(.symbol(",")) }
            let target = try target(allowsAttribute: false, allowsTuple: false)
            try expect(.symbol("="))
            values.append((target, try expression()))
        }
        return .with(values, try body(until: "endwith"), line: line)
    }

    private mutating func macro(
        _ name: String, _ parameters: [String], _ defaults: [Expression], until end: String, _ line: Int
    ) throws(DamaError) -> Statement.Macro {
        let (body, extras) = try names(of: ["varargs", "kwargs", "caller"]) { parser throws(DamaError) in
            try parser.body(until: end)
        }
        return Statement.Macro(
            name: name, parameters: parameters, defaults: defaults, body: body, extras: extras, line: line)
    }

    private mutating func parameters() throws(DamaError) -> ([String], [Expression]) {
        var (names, defaults): ([String], [Expression]) = ([], [])
        try expect(.symbol("("))
        while !skip(symbol: ")") {
            if !names.isEmpty { try expect(.symbol(",")) }
            names.append(try expectName())
            if skip(symbol: "=") {
                defaults.append(try expression())
            } else if !defaults.isEmpty {
                throw TemplateError.syntax("a parameter without a default follows one with a default", line: line)
            }
        }
        return (names, defaults)
    }

    /// What is assigned to: a name, a namespace's attribute, or several with commas.
    private mutating func target(allowsAttribute: Bool, allowsTuple: Bool = true) throws(DamaError) -> Target {
        func one(_ parser: inout Parser) throws(DamaError) -> Target {
            if parser.skip(symbol: "(") {
                let inner = try parser.nested { parser throws(DamaError) in
                    try parser.target(allowsAttribute: allowsAttribute)
                }
                try parser.expect(.symbol(")"))
                return inner
            }
            let name = try parser.expectName()
            guard allowsAttribute, parser.skip(symbol: ".") else { return .name(name) }
            return .attribute(name, try parser.expectName())
        }
        let first = try one(&self)
        guard allowsTuple, isSymbol(",") else { return first }
        var targets = [first]
        while skip(symbol: ",") {
            if case .name(let name) = token, name != "in" { targets.append(try one(&self)) } else { break }
        }
        return .tuple(targets)
    }
}
