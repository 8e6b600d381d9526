import DamaSupport

extension Parser {
    /// An expression with `if … else` behind it, which is its weakest part.
    mutating func expression(allowsCondition: Bool = true) throws(DamaError) -> Expression {
        try nested { parser throws(DamaError) in
            var result = try parser.disjunction()
            guard allowsCondition else { return result }
            while parser.skip(name: "if") {
                let condition = try parser.disjunction()
                let otherwise = parser.skip(name: "else") ? try parser.expression() : nil
                result = .conditional(result, if: condition, else: otherwise)
            }
            return result
        }
    }

    /// One expression, or several with commas between them, which are a tuple.
    mutating func tupleOrExpression(allowsCondition: Bool = true) throws(DamaError) -> Expression {
        let first = try expression(allowsCondition: allowsCondition)
        guard isSymbol(",") else { return first }
        var elements = [first]
        while skip(symbol: ","), startsExpression { elements.append(try expression(allowsCondition: allowsCondition)) }
        return .tuple(elements)
    }

    /// Whether the next token may begin an expression.
    private var startsExpression: Bool {
        switch token {
        case .blockEnd, .variableEnd, .end: false
        case .symbol(let symbol): [")", "]", "}", "="].contains(symbol) == false
        case .name(let name): name != "in"
        default: true
        }
    }

    // MARK: Operators, the weakest first

    private mutating func disjunction() throws(DamaError) -> Expression {
        var left = try conjunction()
        while skip(name: "or") { left = .or(left, try conjunction()) }
        return left
    }

    private mutating func conjunction() throws(DamaError) -> Expression {
        var left = try negation()
        while skip(name: "and") { left = .and(left, try negation()) }
        return left
    }

    private mutating func negation() throws(DamaError) -> Expression {
        guard skip(name: "not") else { return try comparison() }
        return .unary(.not, try nested { parser throws(DamaError) in try parser.negation() })
    }

    private mutating func comparison() throws(DamaError) -> Expression {
        let line = line
        let first = try sum()
        var rest: [(ComparisonOperator, Expression)] = []
        while true {
            if case .symbol(let symbol) = token, let found = ComparisonOperator(rawValue: symbol) {
                advance()
                rest.append((found, try sum()))
            } else if skip(name: "in") {
                rest.append((.in, try sum()))
            } else if isName("not"), peek(1) == .name("in") {
                advance()
                advance()
                rest.append((.notIn, try sum()))
            } else {
                return rest.isEmpty ? first : .at(line: line, .comparison(first, rest))
            }
        }
    }

    private mutating func sum() throws(DamaError) -> Expression {
        var left = try concatenation()
        while case .symbol(let symbol) = token, symbol == "+" || symbol == "-",
            let found = BinaryOperator(rawValue: symbol)
        {
            let line = line
            advance()
            left = .at(line: line, .binary(found, left, try concatenation()))
        }
        return left
    }

    private mutating func concatenation() throws(DamaError) -> Expression {
        let first = try product()
        var parts = [first]
        while skip(symbol: "~") { parts.append(try product()) }
        return parts.count == 1 ? first : .concatenation(parts)
    }

    private mutating func product() throws(DamaError) -> Expression {
        var left = try power()
        while case .symbol(let symbol) = token, ["*", "/", "//", "%"].contains(symbol),
            let found = BinaryOperator(rawValue: symbol)
        {
            let line = line
            advance()
            left = .at(line: line, .binary(found, left, try power()))
        }
        return left
    }

    private mutating func power() throws(DamaError) -> Expression {
        var left = try unary()
        while isSymbol("**") {
            let line = line
            advance()
            left = .at(line: line, .binary(.power, left, try unary()))
        }
        return left
    }

    private mutating func unary(allowsFilters: Bool = true) throws(DamaError) -> Expression {
        let line = line
        var result: Expression
        if skip(symbol: "-") {
            result = .at(
                line: line,
                .unary(.minus, try nested { parser throws(DamaError) in try parser.unary(allowsFilters: false) }))
        } else if skip(symbol: "+") {
            result = .at(
                line: line,
                .unary(.plus, try nested { parser throws(DamaError) in try parser.unary(allowsFilters: false) }))
        } else {
            result = try primary()
        }
        result = try postfix(result)
        return allowsFilters ? try filters(result) : result
    }

    // MARK: Primaries

    private mutating func primary() throws(DamaError) -> Expression {
        let line = line
        switch token {
        case .name(let name):
            advance()
            switch name {
            case "true", "True": return .literal(.bool(true))
            case "false", "False": return .literal(.bool(false))
            case "none", "None": return .literal(.none)
            default: return .at(line: line, .name(name))
            }
        case .string(var text):
            advance()
            while case .string(let more) = token {
                text = text + more
                advance()
            }
            return .literal(.string(text))
        case .int(let value):
            advance()
            return .literal(.int(value))
        case .float(let value):
            advance()
            return .literal(.float(value))
        case .symbol("("):
            advance()
            if skip(symbol: ")") { return .tuple([]) }
            let inner = try tupleOrExpression()
            try expect(.symbol(")"))
            return inner
        case .symbol("["):
            advance()
            let elements = try list(until: "]") { parser throws(DamaError) in try parser.expression() }
            return .list(elements)
        case .symbol("{"):
            advance()
            let members = try list(until: "}") { parser throws(DamaError) in
                let key = try parser.expression()
                try parser.expect(.symbol(":"))
                return (key, try parser.expression())
            }
            return .at(line: line, .dict(members))
        default: throw unexpected("an expression")
        }
    }

    /// Elements with commas between them and perhaps behind them, and the closing bracket.
    private mutating func list<T>(
        until closing: String, _ element: (inout Parser) throws(DamaError) -> T
    ) throws(DamaError) -> [T] {
        var elements: [T] = []
        while !skip(symbol: closing) {
            if !elements.isEmpty {
                try expect(.symbol(","))
                if skip(symbol: closing) { break }
            }
            elements.append(try element(&self))
        }
        return elements
    }

    // MARK: What follows a primary

    private mutating func postfix(_ start: Expression) throws(DamaError) -> Expression {
        var result = start
        while true {
            let line = line
            if skip(symbol: ".") {
                switch token {
                case .name(let name): result = .at(line: line, .attribute(result, name))
                case .int(let index): result = .at(line: line, .item(result, .literal(.int(index))))
                default: throw unexpected("a name")
                }
                advance()
            } else if skip(symbol: "[") {
                result = .at(line: line, try subscripted(result))
                try expect(.symbol("]"))
            } else if isSymbol("(") {
                result = .at(line: line, .call(result, try arguments()))
            } else {
                return result
            }
        }
    }

    private mutating func subscripted(_ base: Expression) throws(DamaError) -> Expression {
        var parts: [Expression?] = [nil]
        var isSlice = false
        while !isSymbol("]") {
            if skip(symbol: ":") {
                isSlice = true
                guard parts.count < 3 else { throw unexpected("]") }
                parts.append(nil)
            } else {
                parts[parts.count - 1] = try tupleOrExpression()
                guard isSymbol(":") || isSymbol("]") else { throw unexpected("]") }
            }
        }
        if isSlice {
            return .slice(
                base, start: parts[0], stop: parts.count > 1 ? parts[1] : nil, step: parts.count > 2 ? parts[2] : nil)
        }
        guard let index = parts[0] else { throw unexpected("an index") }
        return .item(base, index)
    }

    /// `(a, *b, c=d, **e)`
    mutating func arguments() throws(DamaError) -> CallArguments {
        var result = CallArguments()
        try expect(.symbol("("))
        var isFirst = true
        while !skip(symbol: ")") {
            if !isFirst {
                try expect(.symbol(","))
                if skip(symbol: ")") { break }
            }
            isFirst = false
            if skip(symbol: "*") {
                guard result.spread == nil else { throw unexpected("one *argument") }
                result.spread = try expression()
            } else if skip(symbol: "**") {
                guard result.namedSpread == nil else { throw unexpected("one **argument") }
                result.namedSpread = try expression()
            } else if case .name(let name) = token, peek(1) == .symbol("=") {
                advance()
                advance()
                result.named.append((name, try expression()))
            } else {
                guard result.named.isEmpty else { throw unexpected("an argument with a name") }
                result.positional.append(try expression())
            }
        }
        return result
    }

    private mutating func filters(_ start: Expression) throws(DamaError) -> Expression {
        var result = start
        while true {
            let line = line
            if skip(symbol: "|") {
                let (name, arguments) = try filter()
                result = .at(line: line, .filter(result, name, arguments))
            } else if isName("is") {
                advance()
                result = .at(line: line, try test(of: result))
            } else if isSymbol("(") {
                result = .at(line: line, .call(result, try arguments()))
            } else {
                return result
            }
        }
    }

    /// A filter's name and arguments.
    mutating func filter() throws(DamaError) -> (String, CallArguments) {
        var name = try expectName()
        while skip(symbol: ".") { name += ".\(try expectName())" }
        return (name, isSymbol("(") ? try arguments() : CallArguments())
    }

    private mutating func test(of value: Expression) throws(DamaError) -> Expression {
        let isNegated = skip(name: "not")
        var name = try expectName()
        while skip(symbol: ".") { name += ".\(try expectName())" }
        var arguments = CallArguments()
        if isSymbol("(") {
            arguments = try self.arguments()
        } else if startsTestArgument {
            if isName("is") { throw TemplateError.syntax("tests cannot be chained with is", line: line) }
            arguments.positional = [try postfix(try primary())]
        }
        return .test(value, name, arguments, isNegated: isNegated)
    }

    /// Whether a test has an argument without brackets: `is divisibleby 3`. Jinja takes even `if` for one.
    private var startsTestArgument: Bool {
        switch token {
        case .name(let name): !["else", "or", "and"].contains(name)
        case .string, .int, .float: true
        case .symbol(let symbol): ["[", "{"].contains(symbol)
        default: false
        }
    }
}
