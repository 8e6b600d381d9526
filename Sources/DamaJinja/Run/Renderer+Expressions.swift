import DamaSupport

extension Renderer {
    mutating func evaluate(_ expression: Expression) throws(DamaError) -> Value {
        try step()
        switch expression {
        case .at(let line, let inner):
            self.line = line
            return try deeper { renderer throws(DamaError) in try renderer.evaluate(inner) }
        case .literal(let value): return value
        case .name(let name): return scope[name] ?? .undefined("'\(name)' is undefined")
        case .list(let elements): return .list(try evaluate(elements))
        case .tuple(let elements): return .tuple(try evaluate(elements))
        case .dict(let members):
            var mapping = Mapping()
            for (key, value) in members {
                let key = try evaluate(key)
                guard mapping.set(key, try evaluate(value)) else { throw error("a \(key.typeName) cannot be a key") }
            }
            return .dict(mapping)
        case .attribute(let base, let name): return try attribute(name, of: try evaluate(base))
        case .item(let base, let index):
            let base = try evaluate(base)
            return try item(try evaluate(index), of: base)
        case .slice(let base, let start, let stop, let step):
            let base = try evaluate(base)
            return try slice(base, try bound(start), try bound(stop), try bound(step))
        case .call(let callee, let arguments):
            let callee = try evaluate(callee)
            return try call(callee, try evaluate(arguments))
        case .filter(let base, let name, let arguments):
            // `default` is asked about what is undefined, so nothing is checked before it.
            let value = try evaluate(base)
            return try filter(name, value, try evaluate(arguments))
        case .test(let base, let name, let arguments, let isNegated):
            let value = try evaluate(base)
            return .bool(try test(name, value, try evaluate(arguments)) != isNegated)
        case .unary(let operation, let operand): return try unary(operation, try evaluate(operand))
        case .binary(let operation, let left, let right):
            let left = try evaluate(left)
            return try binary(operation, left, try evaluate(right))
        case .comparison(let first, let rest):
            var left = try evaluate(first)
            for (operation, right) in rest {
                let right = try evaluate(right)
                guard try compare(operation, left, right) else { return .bool(false) }
                left = right
            }
            return .bool(true)
        case .and(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? try evaluate(right) : value
        case .or(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? value : try evaluate(right)
        case .concatenation(let parts):
            var text = Text("")
            for part in parts {
                text = text + (try string(of: evaluate(part)))
                try check(characters: text.count)
            }
            return .string(text)
        case .conditional(let value, let condition, let otherwise):
            if try evaluate(condition).isTrue { return try evaluate(value) }
            guard let otherwise else {
                return .undefined("the inline if-expression on line \(line) evaluated to false and has no else")
            }
            return try evaluate(otherwise)
        }
    }

    private mutating func evaluate(_ expressions: [Expression]) throws(DamaError) -> [Value] {
        var values: [Value] = []
        for expression in expressions { values.append(try evaluate(expression)) }
        return values
    }

    mutating func evaluate(_ arguments: CallArguments) throws(DamaError) -> Arguments {
        var result = Arguments()
        result.positional = try evaluate(arguments.positional)
        if let spread = arguments.spread { result.positional += try elements(of: try evaluate(spread)) }
        for (name, expression) in arguments.named { result.named.append((name, try evaluate(expression))) }
        if let spread = arguments.namedSpread {
            guard case .dict(let mapping) = try evaluate(spread) else { throw error("** needs a mapping") }
            for (key, value) in mapping.items {
                guard case .string(let name) = key else { throw error("a keyword must be a string") }
                result.named.append((name.string, value))
            }
        }
        return result
    }

    // MARK: Calls

    mutating func call(_ callee: Value, _ arguments: Arguments) throws(DamaError) -> Value {
        switch callee {
        case .function(let function): return try function.body(&self, arguments)
        case .loop(let loop):
            guard let recurse = loop.recurse, let items = arguments.positional.first else {
                throw error("the loop is not recursive and cannot be called")
            }
            return try recurse(&self, items)
        case .undefined(let what): throw error(what)
        default: throw error("a value of type \(callee.typeName) cannot be called")
        }
    }

    // MARK: Parts of a value

    /// `base.name`: an attribute, else a member of a mapping.
    mutating func attribute(_ name: String, of base: Value) throws(DamaError) -> Value {
        if case .undefined(let what) = base { throw error(what) }
        if let method = method(name, of: base) { return method }
        return member(Text(name), of: base) ?? missing(name, of: base)
    }

    /// `base[index]`: a member or an element, else an attribute.
    mutating func item(_ index: Value, of base: Value) throws(DamaError) -> Value {
        switch base {
        case .undefined(let what): throw error(what)
        case .dict(let mapping):
            if let value = mapping[index] { return value }
        case .list(let elements), .tuple(let elements):
            if let place = index.integer {
                return position(place, elements.count).map { elements[$0] } ?? missing("\(place)", of: base)
            }
        case .string(let text):
            if let place = index.integer {
                return position(place, text.count).map { .string(Text([text.scalars[$0]])) }
                    ?? missing("\(place)", of: base)
            }
        default: break
        }
        guard case .string(let name) = index else { return missing("\(try string(of: index).string)", of: base) }
        return method(name.string, of: base) ?? member(name, of: base) ?? missing(name.string, of: base)
    }

    private func missing(_ name: String, of base: Value) -> Value {
        .undefined("a value of type \(base.typeName) has no '\(name)'")
    }

    private func position(_ index: Int, _ count: Int) -> Int? {
        let place = index < 0 ? index.addingReportingOverflow(count).partialValue : index
        return (0..<count).contains(place) ? place : nil
    }

    /// `base[start:stop:step]`
    private mutating func slice(
        _ base: Value, _ start: Int?, _ stop: Int?, _ step: Int?
    ) throws(DamaError) -> Value {
        let step = step ?? 1
        guard step != 0 else { throw error("a slice's step is 0") }
        func places(_ count: Int) -> [Int] {
            func clamped(_ bound: Int, _ low: Int, _ high: Int) -> Int {
                min(max(bound < 0 ? bound.addingReportingOverflow(count).partialValue : bound, low), high)
            }
            var result: [Int] = []
            if step > 0 {
                let end = clamped(stop ?? count, 0, count)
                var place = clamped(start ?? 0, 0, count)
                while place < end {
                    result.append(place)
                    let (next, overflow) = place.addingReportingOverflow(step)
                    if overflow { break }
                    place = next
                }
            } else {
                let end = stop.map { clamped($0, -1, count - 1) } ?? -1
                var place = clamped(start ?? (count - 1), -1, count - 1)
                while place > end {
                    result.append(place)
                    let (next, overflow) = place.addingReportingOverflow(step)
                    if overflow { break }
                    place = next
                }
            }
            return result
        }
        switch base {
        case .undefined(let what): throw error(what)
        case .string(let text):
            try self.step(text.count / 16)
            return .string(Text(places(text.count).map { text.scalars[$0] }))
        case .list(let elements):
            try self.step(elements.count)
            return .list(places(elements.count).map { elements[$0] })
        case .tuple(let elements): return .tuple(places(elements.count).map { elements[$0] })
        default: throw error("a value of type \(base.typeName) cannot be sliced")
        }
    }

    private mutating func bound(_ expression: Expression?) throws(DamaError) -> Int? {
        guard let expression else { return nil }
        let value = try evaluate(expression)
        if case .none = value { return nil }
        guard let bound = value.integer else { throw error("a slice's bound is a \(value.typeName), not an integer") }
        return bound
    }

    // MARK: Elements

    /// What a loop over a value goes through.
    mutating func elements(of value: Value) throws(DamaError) -> [Value] {
        switch value {
        case .undefined: return []
        case .list(let elements), .tuple(let elements): return elements
        case .dict(let mapping): return mapping.keys
        case .iteration(let iteration): return iteration.elements()
        case .string(let text):
            try step(text.count / 16)
            return text.scalars.map { .string(Text([$0])) }
        default: throw error("a value of type \(value.typeName) cannot be iterated")
        }
    }
}
