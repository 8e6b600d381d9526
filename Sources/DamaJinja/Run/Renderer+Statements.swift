import DamaSupport

/// How a block of statements ended.
enum Flow { case normal, breakLoop, continueLoop }

extension Renderer {
    mutating func run(_ statements: [Statement]) throws(DamaError) -> Flow {
        for statement in statements {
            try step()
            let flow = try run(statement)
            guard case .normal = flow else { return flow }
        }
        return .normal
    }

    private mutating func run(_ statement: Statement) throws(DamaError) -> Flow {
        switch statement {
        case .text(let text): try write(text)
        case .output(let expression, let line):
            self.line = line
            try write(try string(of: evaluate(expression)))
        case .condition(let branches, let otherwise, let line):
            for (condition, body) in branches {
                self.line = line
                if try evaluate(condition).isTrue { return try run(body) }
            }
            return try run(otherwise)
        case .loop(let loop):
            try run(loop, over: nil, depth: 1)
        case .set(let target, let expression, let line):
            self.line = line
            try assign(try evaluate(expression), to: target)
        case .setBlock(let target, let filters, let body, let line):
            self.line = line
            let text = try captured { renderer throws(DamaError) in
                _ = try renderer.scoped { renderer throws(DamaError) in try renderer.run(body) }
            }
            try assign(try apply(filters, to: .string(text)), to: target)
        case .with(let values, let body, let line):
            self.line = line
            var found: [Value] = []
            for (_, expression) in values { found.append(try evaluate(expression)) }
            return try scoped { renderer throws(DamaError) in
                for (place, value) in zip(values, found) { try renderer.assign(value, to: place.0) }
                return try renderer.run(body)
            }
        case .macro(let macro):
            scope.values[macro.name] = .function(function(macro, in: scope))
        case .callBlock(let caller, let call, let line):
            self.line = line
            try write(try string(of: callBlock(caller, call)))
        case .filterBlock(let filters, let body, let line):
            self.line = line
            let text = try captured { renderer throws(DamaError) in
                _ = try renderer.scoped { renderer throws(DamaError) in try renderer.run(body) }
            }
            try write(try string(of: apply(filters, to: .string(text))))
        case .block(let body):
            return try scoped { renderer throws(DamaError) in try renderer.run(body) }
        case .breakLoop: return .breakLoop
        case .continueLoop: return .continueLoop
        }
        return .normal
    }

    // MARK: Loops

    private mutating func run(_ loop: Statement.Loop, over given: Value?, depth: Int) throws(DamaError) {
        line = loop.line
        var items: [Value]
        if let given { items = try elements(of: given) } else { items = try elements(of: evaluate(loop.items)) }
        if let condition = loop.condition {
            var kept: [Value] = []
            for item in items {
                try step()
                let isKept = try scoped { renderer throws(DamaError) in
                    try renderer.assign(item, to: loop.target)
                    return try renderer.evaluate(condition).isTrue
                }
                if isKept { kept.append(item) }
            }
            items = kept
        }
        let state = LoopState(items: items, depth: depth)
        let around = scope
        if loop.isRecursive {
            state.recurse = { (renderer, value) throws(DamaError) in
                let text = try renderer.deeper { renderer throws(DamaError) in
                    try renderer.captured { renderer throws(DamaError) in
                        try renderer.scoped(in: around) { renderer throws(DamaError) in
                            try renderer.run(loop, over: value, depth: depth + 1)
                        }
                    }
                }
                return .string(text)
            }
        }
        var isCompleted = false
        for (index, item) in items.enumerated() {
            try step()
            state.index = index
            let flow = try scoped { renderer throws(DamaError) in
                try renderer.assign(item, to: loop.target)
                renderer.scope.values["loop"] = .loop(state)
                return try renderer.run(loop.body)
            }
            if case .breakLoop = flow { break }
            if case .normal = flow { isCompleted = true }
        }
        // Jinja's rule: `else` runs unless one pass came to its end.
        guard !isCompleted else { return }
        _ = try scoped { renderer throws(DamaError) in try renderer.run(loop.otherwise) }
    }

    // MARK: Assignment

    mutating func assign(_ value: Value, to target: Target) throws(DamaError) {
        switch target {
        case .name(let name): scope.values[name] = value
        case .attribute(let object, let name):
            guard case .namespace(let namespace)? = scope[object] else {
                throw error("cannot set '\(name)' of '\(object)', which is no namespace")
            }
            namespace.members.set(.text(name), value)
        case .tuple(let targets):
            let values = try elements(of: value)
            guard values.count == targets.count else {
                throw error("\(values.count) values cannot be assigned to \(targets.count) names")
            }
            for (target, value) in zip(targets, values) { try assign(value, to: target) }
        }
    }

    // MARK: Macros

    private func function(_ macro: Statement.Macro, in scope: Scope) -> Function {
        Function(macro.name) { (renderer, arguments) throws(DamaError) in
            try renderer.deeper { renderer throws(DamaError) in
                try renderer.scoped(in: scope) { renderer throws(DamaError) in
                    try renderer.bind(arguments, to: macro)
                    return .string(
                        try renderer.captured { renderer throws(DamaError) in _ = try renderer.run(macro.body) })
                }
            }
        }
    }

    private mutating func bind(_ arguments: Arguments, to macro: Statement.Macro) throws(DamaError) {
        var named = arguments.named
        for (place, name) in macro.parameters.enumerated() {
            if place < arguments.positional.count {
                scope.values[name] = arguments.positional[place]
            } else if let index = named.firstIndex(where: { $0.name == name }) {
                scope.values[name] = named.remove(at: index).value
            } else {
                let defaultPlace = place - (macro.parameters.count - macro.defaults.count)
                // A default may use the parameters before it.
                scope.values[name] =
                    defaultPlace >= 0
                    ? try evaluate(macro.defaults[defaultPlace])
                    : .undefined("parameter '\(name)' was not provided")
            }
        }
        let rest = arguments.positional.dropFirst(macro.parameters.count)
        guard rest.isEmpty || macro.extras.contains("varargs") else {
            throw error("the macro '\(macro.name)' takes not more than \(macro.parameters.count) arguments")
        }
        scope.values["varargs"] = .tuple(Array(rest))
        if !macro.extras.contains("caller") {
            // A caller that the macro does not call counts as one argument too many.
        } else if let index = named.firstIndex(where: { $0.name == "caller" }) {
            scope.values["caller"] = named.remove(at: index).value
        } else if !macro.parameters.contains("caller") {
            scope.values["caller"] = .undefined("'caller' is undefined")
        }
        if let name = named.first?.name, !macro.extras.contains("kwargs") {
            throw error("the macro '\(macro.name)' takes no argument '\(name)'")
        }
        scope.values["kwargs"] = .dict(Mapping(named.map { ($0.name, $0.value) }))
    }

    private mutating func callBlock(_ caller: Statement.Macro, _ call: Expression) throws(DamaError) -> Value {
        var call = call
        if case .at(_, let inner) = call { call = inner }
        guard case .call(let callee, let given) = call else { throw error("{% call %} needs a call of a macro") }
        var arguments = try evaluate(given)
        arguments.named.append((name: "caller", value: .function(function(caller, in: scope))))
        return try self.call(try evaluate(callee), arguments)
    }
}
