import DamaSupport

/// The value of an expression. Lists and mappings never change, because the sandbox of chat templates forbids it; only a
/// ``Namespace`` does.
package indirect enum Value: Sendable {
    /// What is undefined, for messages.
    case undefined(String)
    case none
    case bool(Bool)
    case int(Int)
    case float(Double)
    case string(Text)
    case list([Value])
    case tuple([Value])
    case dict(Mapping)
    case namespace(Namespace)
    case iteration(Iteration)
    case function(Function)
    case loop(LoopState)
}

/// A mapping in the order of insertion, Python's `dict`.
package struct Mapping: Sendable {
    package private(set) var keys: [Value] = []
    package private(set) var values: [Value] = []
    private var places: [HashKey: Int] = [:]

    package init() {}

    package init(_ members: some Sequence<(String, Value)>) {
        for (key, value) in members { set(.string(Text(key)), value) }
    }

    var count: Int { keys.count }
    var items: [(key: Value, value: Value)] { zip(keys, values).map { ($0, $1) } }

    /// False for a key that cannot be hashed, such as a list.
    @discardableResult
    mutating func set(_ key: Value, _ value: Value) -> Bool {
        guard let hash = HashKey(key) else { return false }
        if let place = places[hash] {
            values[place] = value
        } else {
            places[hash] = keys.count
            keys.append(key)
            values.append(value)
        }
        return true
    }

    subscript(key: Value) -> Value? { HashKey(key).flatMap { places[$0] }.map { values[$0] } }
    subscript(name: Text) -> Value? { places[.string(name)].map { values[$0] } }
}

/// A key by value: 1, 1.0 and True are the same key, as in Python.
enum HashKey: Hashable, Sendable {
    case none
    case number(Double)
    case string(Text)
    case tuple([HashKey])

    init?(_ value: Value) {
        switch value {
        case .none: self = .none
        case .bool(let value): self = .number(value ? 1 : 0)
        case .int(let value): self = .number(Double(value))
        case .float(let value): self = .number(value)
        case .string(let text): self = .string(text)
        case .tuple(let elements):
            let keys = elements.compactMap(HashKey.init)
            guard keys.count == elements.count else { return nil }
            self = .tuple(keys)
        default: return nil
        }
    }
}

/// `namespace(…)`: attributes that `{% set ns.x = … %}` changes. It belongs to one rendering, on one thread.
package final class Namespace: @unchecked Sendable {
    var members: Mapping
    init(_ members: Mapping) { self.members = members }
}

/// Something that can be called: a macro, a method with its object, or a function of the environment.
package final class Function: Sendable {
    let name: String
    let body: @Sendable (inout Renderer, Arguments) throws(DamaError) -> Value

    init(_ name: String, _ body: @escaping @Sendable (inout Renderer, Arguments) throws(DamaError) -> Value) {
        (self.name, self.body) = (name, body)
    }
}

/// `loop` inside a `for`. It belongs to one rendering, on one thread.
package final class LoopState: @unchecked Sendable {
    let items: [Value]
    let depth: Int
    var index = 0
    var lastChanged: [Value]?
    /// Renders the loop's body over other items, in a recursive loop.
    var recurse: (@Sendable (inout Renderer, Value) throws(DamaError) -> Value)?

    init(items: [Value], depth: Int) { (self.items, self.depth) = (items, depth) }
}

extension Value {
    /// A value of a JSON document, such as a message.
    package init(_ json: JSON) {
        switch json {
        case .null: self = .none
        case .bool(let value): self = .bool(value)
        case .int(let value): self = .int(Int(value))
        case .double(let value): self = .float(value)
        case .string(let text): self = .string(Text(text))
        case .array(let elements): self = .list(elements.map { Value($0) })
        case .object(let object): self = .dict(Mapping(object.members.map { ($0.key, Value($0.value)) }))
        default: self = .string(Text(json.text))
        }
    }

    static func text(_ string: String) -> Value { .string(Text(string)) }

    /// Whether Python would take it for a key.
    var isHashable: Bool {
        switch self {
        case .list, .dict: false
        case .tuple(let elements): elements.allSatisfy(\.isHashable)
        default: true
        }
    }

    var isUndefined: Bool { if case .undefined = self { true } else { false } }

    /// Python's name of the type, for messages.
    var typeName: String {
        switch self {
        case .undefined: "undefined"
        case .none: "NoneType"
        case .bool: "bool"
        case .int: "int"
        case .float: "float"
        case .string: "str"
        case .list: "list"
        case .tuple: "tuple"
        case .dict: "dict"
        case .namespace: "namespace"
        case .iteration(let iteration): iteration.kind.rawValue
        case .function: "function"
        case .loop: "loop"
        }
    }

    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .int(let value): value != 0
        case .float(let value): value != 0
        case .string(let text): !text.isEmpty
        case .list(let elements), .tuple(let elements): !elements.isEmpty
        case .dict(let mapping): mapping.count > 0
        case .iteration(let iteration): iteration.count != 0
        case .namespace, .function, .loop: true
        }
    }

    /// The number of a value that counts as one: `True` is 1.
    var number: Double? {
        switch self {
        case .bool(let value): value ? 1 : 0
        case .int(let value): Double(value)
        case .float(let value): value
        default: nil
        }
    }

    var integer: Int? {
        switch self {
        case .bool(let value): value ? 1 : 0
        case .int(let value): value
        default: nil
        }
    }
}
