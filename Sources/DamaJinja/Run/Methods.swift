import DamaSupport

// Attributes that are no members: methods of strings, mappings and lists, and what a loop says of itself.
extension Renderer {
    /// The method or property `name` of a value; `nil` if it has none.
    func method(_ name: String, of value: Value) -> Value? {
        switch value {
        case .string(let text): return StringMethods.method(name, of: text).map { .function($0) }
        case .dict(let mapping): return Self.method(name, of: mapping)
        case .list(let elements), .tuple(let elements):
            return Self.method(name, of: elements, isList: value.typeName == "list")
        case .loop(let loop): return Self.property(name, of: loop)
        default: return nil
        }
    }

    /// A member by its name, of what has members.
    func member(_ name: Text, of value: Value) -> Value? {
        switch value {
        case .dict(let mapping): mapping[name]
        case .namespace(let namespace): namespace.members[name]
        default: nil
        }
    }

    private static func method(_ name: String, of mapping: Mapping) -> Value? {
        func function(_ body: @escaping @Sendable (inout Renderer, Arguments) throws(DamaError) -> Value) -> Value {
            .function(Function("dict.\(name)", body))
        }
        switch name {
        case "get":
            return function { (renderer, arguments) throws(DamaError) in
                guard let key = arguments.positional.first else { throw renderer.error("dict.get needs a key") }
                guard key.isHashable else { throw renderer.error("a \(key.typeName) cannot be a key") }
                return mapping[key] ?? arguments.value(1, "default") ?? .none
            }
        case "items":
            return function { _, _ in .iteration(Iteration(.items, mapping.items.map { .tuple([$0.key, $0.value]) })) }
        case "keys": return function { _, _ in .iteration(Iteration(.keys, mapping.keys)) }
        case "values": return function { _, _ in .iteration(Iteration(.values, mapping.values)) }
        case "copy": return function { _, _ in .dict(mapping) }
        case "update", "pop", "popitem", "setdefault", "clear": return unsafe(name, "dict")
        default: return nil
        }
    }

    private static func method(_ name: String, of elements: [Value], isList: Bool) -> Value? {
        switch name {
        case "index":
            return .function(
                Function("index") { (renderer, arguments) throws(DamaError) in
                    guard let wanted = arguments.positional.first,
                        let place = elements.firstIndex(where: { areEqual($0, wanted) })
                    else { throw renderer.error("index: the value is not in the list") }
                    return .int(place)
                })
        case "count":
            return .function(
                Function("count") { (renderer, arguments) throws(DamaError) in
                    guard let wanted = arguments.positional.first else { throw renderer.error("count needs a value") }
                    return .int(elements.count { areEqual($0, wanted) })
                })
        case "copy" where isList: return .function(Function("copy") { _, _ in .list(elements) })
        case "append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse":
            return isList ? unsafe(name, "list") : nil
        default: return nil
        }
    }

    /// What the sandbox forbids: it changes a value.
    private static func unsafe(_ name: String, _ type: String) -> Value {
        .undefined("'\(name)' would change a \(type), which a chat template must not do")
    }

    private static func property(_ name: String, of loop: LoopState) -> Value? {
        let count = loop.items.count
        switch name {
        case "index": return .int(loop.index + 1)
        case "index0": return .int(loop.index)
        case "revindex": return .int(count - loop.index)
        case "revindex0": return .int(count - loop.index - 1)
        case "first": return .bool(loop.index == 0)
        case "last": return .bool(loop.index == count - 1)
        case "length": return .int(count)
        case "depth": return .int(loop.depth)
        case "depth0": return .int(loop.depth - 1)
        case "previtem": return loop.index > 0 ? loop.items[loop.index - 1] : .undefined("there is no previous item")
        case "nextitem":
            return loop.index + 1 < count ? loop.items[loop.index + 1] : .undefined("there is no next item")
        case "cycle":
            return .function(
                Function("loop.cycle") { (renderer, arguments) throws(DamaError) in
                    guard !arguments.positional.isEmpty else { throw renderer.error("loop.cycle needs values") }
                    return arguments.positional[loop.index % arguments.positional.count]
                })
        case "changed":
            return .function(
                Function("loop.changed") { _, arguments in
                    defer { loop.lastChanged = arguments.positional }
                    guard let last = loop.lastChanged, last.count == arguments.positional.count else {
                        return .bool(true)
                    }
                    return .bool(!zip(last, arguments.positional).allSatisfy { areEqual($0, $1) })
                })
        default: return nil
        }
    }
}
