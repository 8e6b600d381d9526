import DamaSupport

extension Renderer {
    /// Filters that take or give a list; `nil` for other names.
    mutating func listFilter(_ name: String, _ value: Value, _ arguments: Arguments) throws(DamaError) -> Value? {
        switch name {
        case "length", "count": return .int(try count(of: value))
        case "list": return .list(try elements(of: value))
        case "first":
            let first: Value?
            if case .iteration(let iteration) = value {
                first = iteration.next()
            } else {
                first = try elements(of: value).first
            }
            return first ?? .undefined("no first item, the sequence was empty")
        case "last":
            if case .iteration(let iteration) = value, iteration.count == nil {
                throw error("last needs a list, not a generator; put | list before it")
            }
            return try elements(of: value).last ?? .undefined("no last item, the sequence was empty")
        case "reverse":
            if case .string(let text) = value { return .string(Text(text.scalars.reversed())) }
            let elements = try elements(of: value).reversed() as [Value]
            if case .iteration(let iteration) = value, iteration.count == nil { return .list(elements) }
            return Self.generator(elements)
        case "join": return .string(try joined(value, arguments))
        case "items":
            if value.isUndefined { return Self.generator([]) }
            guard case .dict(let mapping) = value else { throw error("items needs a mapping") }
            return Self.generator(mapping.items.map { .tuple([$0.key, $0.value]) })
        case "dictsort": return try sortedMapping(value, arguments)
        case "sort": return .list(try sorted(value, arguments))
        case "unique": return Self.generator(try unique(value, arguments))
        case "min", "max":
            let items = try elements(of: value)
            guard var best = items.first else { return .undefined("no item, the sequence was empty") }
            var bestKey = try key(best, arguments, place: 0)
            for item in items.dropFirst() {
                let key = try key(item, arguments, place: 0)
                if try name == "min" ? isLess(key, bestKey) : isLess(bestKey, key) { (best, bestKey) = (item, key) }
            }
            return best
        case "sum":
            var total = arguments.value(1, "start") ?? .int(0)
            for item in try elements(of: value) {
                let part = try path(arguments.value(0, "attribute"), of: item)
                total = try binary(.add, total, part)
            }
            return total
        case "map": return Self.generator(try mapped(value, arguments))
        case "select", "reject":
            return Self.generator(try chosen(value, arguments, keeps: name == "select", byAttribute: false))
        case "selectattr", "rejectattr":
            return Self.generator(try chosen(value, arguments, keeps: name == "selectattr", byAttribute: true))
        case "groupby": return .list(try grouped(value, arguments))
        case "batch", "slice": return Self.generator(try divided(name, value, arguments))
        case "attr":
            let name = try text(arguments.value(0, "name"), "attr").string
            if case .undefined(let what) = value { throw error(what) }
            return method(name, of: value) ?? member(Text(name), of: value)
                ?? .undefined("a value of type \(value.typeName) has no '\(name)'")
        default: return nil
        }
    }

    private static func generator(_ elements: [Value]) -> Value { .iteration(Iteration(.generator, elements)) }

    func count(of value: Value) throws(DamaError) -> Int {
        switch value {
        case .undefined: return 0
        case .string(let text): return text.count
        case .list(let elements), .tuple(let elements): return elements.count
        case .dict(let mapping): return mapping.count
        case .iteration(let iteration):
            guard let count = iteration.count else { throw error("a generator has no length; put | list before it") }
            return count
        case .loop(let loop): return loop.items.count
        default: throw error("a value of type \(value.typeName) has no length")
        }
    }

    private mutating func joined(_ value: Value, _ arguments: Arguments) throws(DamaError) -> Text {
        let separator = try string(of: arguments.value(0, "d") ?? .string(""))
        var result: [Unicode.Scalar] = []
        for (index, element) in try elements(of: value).enumerated() {
            try step()
            if index > 0 { result += separator.scalars }
            let part = try path(arguments.value(1, "attribute"), of: element)
            result += try string(of: part).scalars
            try check(characters: result.count)
        }
        return Text(result)
    }

    // MARK: Order

    /// `a.b.0` of a value, an integer for a place; the value itself without a path.
    mutating func path(_ path: Value?, of value: Value) throws(DamaError) -> Value {
        guard let path, !path.isNone else { return value }
        if path.integer != nil { return try item(path, of: value) }
        var result = value
        for part in try text(path, "an attribute").split(".", limit: nil) {
            result = try item(Int(part.string).map { .int($0) } ?? .string(part), of: result)
        }
        return result
    }

    /// What an item is ordered by: itself or an attribute, texts without regard to case unless asked for.
    private mutating func key(
        _ item: Value, _ arguments: Arguments, place: Int, attribute: Int = 1
    ) throws(DamaError) -> Value {
        let key = try path(arguments.value(attribute, "attribute"), of: item)
        if case .string(let text) = key, !(arguments.value(place, "case_sensitive")?.isTrue ?? false) {
            return .string(text.lowercased)
        }
        return key
    }

    /// A stable sort that stops at the first error.
    private mutating func sorted(
        _ items: [(key: Value, value: Value)], descending: Bool
    ) throws(DamaError) -> [Value] {
        try step(items.count * 8)
        var failure: DamaError?
        let order = items.indices.sorted { a, b in
            do throws(DamaError) {
                let (x, y) = (items[a].key, items[b].key)
                if try isLess(descending ? y : x, descending ? x : y) { return true }
                if try isLess(descending ? x : y, descending ? y : x) { return false }
                return a < b
            } catch {
                failure = error
                return a < b
            }
        }
        if let failure { throw failure }
        return order.map { items[$0].value }
    }

    private mutating func sorted(_ value: Value, _ arguments: Arguments) throws(DamaError) -> [Value] {
        var items: [(key: Value, value: Value)] = []
        // `attribute="a,b"` orders by a, then by b.
        var paths: [Value] = [arguments.value(2, "attribute") ?? .none]
        if case .string(let names) = paths[0] { paths = names.split(",", limit: nil).map { .string($0) } }
        for item in try elements(of: value) {
            var keys: [Value] = []
            for path in paths {
                keys.append(
                    try key(
                        item, Arguments(positional: [arguments.value(1, "case_sensitive") ?? .bool(false), path]),
                        place: 0))
            }
            items.append((.list(keys), item))
        }
        return try sorted(items, descending: arguments.value(0, "reverse")?.isTrue ?? false)
    }

    private mutating func sortedMapping(_ value: Value, _ arguments: Arguments) throws(DamaError) -> Value {
        guard case .dict(let mapping) = value else { throw error("dictsort needs a mapping") }
        let byValue = try text(arguments.value(1, "by") ?? .string("key"), "dictsort") == "value"
        let isSensitive = arguments.value(0, "case_sensitive")?.isTrue ?? false
        var items: [(key: Value, value: Value)] = []
        for member in mapping.items {
            var key = byValue ? member.value : member.key
            if case .string(let text) = key, !isSensitive { key = .string(text.lowercased) }
            items.append((key, .tuple([member.key, member.value])))
        }
        return .list(try sorted(items, descending: arguments.value(2, "reverse")?.isTrue ?? false))
    }

    private mutating func unique(_ value: Value, _ arguments: Arguments) throws(DamaError) -> [Value] {
        var keys: [Value] = []
        var result: [Value] = []
        for item in try elements(of: value) {
            let key = try key(item, arguments, place: 0)
            try step(keys.count)
            guard !keys.contains(where: { Self.areEqual($0, key) }) else { continue }
            keys.append(key)
            result.append(item)
        }
        return result
    }

    private mutating func grouped(_ value: Value, _ arguments: Arguments) throws(DamaError) -> [Value] {
        guard let attribute = arguments.value(0, "attribute") else { throw error("groupby needs an attribute") }
        var items: [(key: Value, value: Value)] = []
        for item in try elements(of: value) {
            var key = try path(attribute, of: item)
            if key.isUndefined, let fallback = arguments.value(1, "default") { key = fallback }
            items.append((key, .tuple([key, item])))
        }
        var groups: [(Value, [Value])] = []
        for pair in try sorted(items, descending: false) {
            guard case .tuple(let parts) = pair else { continue }
            if let last = groups.last, Self.areEqual(last.0, parts[0]) {
                groups[groups.count - 1].1.append(parts[1])
            } else {
                groups.append((parts[0], [parts[1]]))
            }
        }
        return groups.map { .tuple([$0.0, .list($0.1)]) }
    }

    private mutating func divided(
        _ name: String, _ value: Value, _ arguments: Arguments
    ) throws(DamaError) -> [Value] {
        let items = try elements(of: value)
        let size = try integer(arguments.positional.first ?? arguments["linecount"] ?? arguments["slices"], name)
        guard size > 0, size <= 100_000 else { throw error("\(name) needs a positive number") }
        let fill = arguments.value(1, "fill_with")
        var result: [Value] = []
        if name == "batch" {
            for start in stride(from: 0, to: items.count, by: size) {
                var part = Array(items[start..<min(start + size, items.count)])
                if let fill, part.count < size { part += Array(repeating: fill, count: size - part.count) }
                result.append(.list(part))
            }
            return result
        }
        let (length, extra) = items.count.quotientAndRemainder(dividingBy: size)
        var start = 0
        for index in 0..<size {
            let end = start + length + (index < extra ? 1 : 0)
            var part = Array(items[start..<end])
            if let fill, index >= extra, extra > 0 { part.append(fill) }
            result.append(.list(part))
            start = end
        }
        return result
    }
}

extension Value {
    var isNone: Bool { if case .none = self { true } else { false } }
}
