import DamaSupport

/// Runs a template: its variables, its output and what it has used of its limits.
package struct Renderer {
    /// What a template may use before it is refused.
    struct Limits: Sendable {
        /// Statements, operators and loop passes.
        var steps = 1_000_000
        /// Characters of the result and of each text on the way.
        var characters = 16 << 20
        /// Calls of macros inside each other, and nested expressions.
        var depth = 200
        /// Values inside one that is assigned.
        var values = 200_000
    }

    let environment: Environment
    let limits: Limits
    var scope: Scope
    var output: [Unicode.Scalar] = []
    var line = 1
    private var steps = 0
    private var depth = 0
    /// What may hold itself, such as the scope of a macro: it is emptied at the end, or it would never be freed.
    private var cyclic: [any Emptiable] = []

    init(_ environment: Environment, limits: Limits, variables: [(String, Value)]) {
        self.environment = environment
        self.limits = limits
        let globals = Scope(parent: nil)
        for (name, value) in environment.globals { globals.values[name] = value }
        for (name, value) in variables { globals.values[name] = value }
        scope = Scope(parent: globals)
    }

    // MARK: Limits

    mutating func step(_ count: Int = 1) throws(DamaError) {
        steps += count
        guard steps <= limits.steps else { throw error("the template runs for more than \(limits.steps) steps") }
    }

    func check(characters: Int) throws(DamaError) {
        guard characters <= limits.characters else {
            throw error("the template makes a text of more than \(limits.characters) characters")
        }
    }

    /// Refuses a value that nests deeper than the stack on which it is freed, written and compared.
    mutating func checkSize(of value: Value) throws(DamaError) {
        var level: [Value] = [value]
        var (depth, count) = (0, 0)
        while !level.isEmpty {
            var next: [Value] = []
            for value in level {
                switch value {
                case .list(let elements), .tuple(let elements): next += elements
                case .dict(let mapping): next += mapping.values
                case .namespace(let namespace): next += namespace.members.values
                default: break
                }
            }
            depth += 1
            count += next.count
            guard depth <= limits.depth, count <= limits.values else {
                throw error("a value nests more than \(limits.depth) levels deep, or holds \(limits.values) others")
            }
            level = next
        }
        try step(count / 64)
    }

    mutating func deeper<T>(_ body: (inout Renderer) throws(DamaError) -> T) throws(DamaError) -> T {
        depth += 1
        defer { depth -= 1 }
        guard depth <= limits.depth else { throw error("the template nests more than \(limits.depth) levels deep") }
        return try body(&self)
    }

    func error(_ what: String) -> DamaError { TemplateError.run(what, line: line) }

    // MARK: Memory

    /// Keeps a scope that a macro or a recursive loop refers to, with the scopes around it.
    mutating func keep(_ scope: Scope) {
        var scope: Scope? = scope
        while let current = scope, !current.isKept {
            current.isKept = true
            cyclic.append(current)
            scope = current.parent
        }
    }

    mutating func keep(_ object: any Emptiable) { cyclic.append(object) }

    /// Frees what the template has made. Nothing can be rendered after that.
    mutating func empty() {
        for object in cyclic { object.empty() }
        cyclic = []
    }

    // MARK: Output and scopes

    mutating func write(_ text: Text) throws(DamaError) {
        try check(characters: output.count + text.count)
        try step(1 + text.count / 64)
        output += text.scalars
    }

    /// What `body` writes.
    mutating func captured(_ body: (inout Renderer) throws(DamaError) -> Void) throws(DamaError) -> Text {
        let before = output
        output = []
        do throws(DamaError) {
            try body(&self)
        } catch {
            output = before
            throw error
        }
        defer { output = before }
        return Text(output)
    }

    /// Runs `body` in a scope of its own inside `parent`.
    mutating func scoped<T>(
        in parent: Scope? = nil, _ body: (inout Renderer) throws(DamaError) -> T
    ) throws(DamaError) -> T {
        let before = scope
        scope = Scope(parent: parent ?? before)
        defer { scope = before }
        return try body(&self)
    }
}

/// What holds values that can change, and so possibly itself.
protocol Emptiable: AnyObject, Sendable {
    /// Lets go of all values.
    func empty()
}

/// Variables, and the scope around them. It belongs to one rendering, on one thread.
final class Scope: Emptiable, @unchecked Sendable {
    var values: [String: Value] = [:]
    let parent: Scope?
    /// Whether the renderer empties it at the end.
    var isKept = false

    init(parent: Scope?) { self.parent = parent }

    func empty() { values = [:] }

    subscript(name: String) -> Value? {
        var scope: Scope? = self
        while let current = scope {
            if let value = current.values[name] { return value }
            scope = current.parent
        }
        return nil
    }
}

/// The arguments of a call.
package struct Arguments: Sendable {
    var positional: [Value] = []
    var named: [(name: String, value: Value)] = []

    subscript(name: String) -> Value? { named.first { $0.name == name }?.value }

    /// The argument at `place` or of this name.
    func value(_ place: Int, _ name: String) -> Value? {
        positional.indices.contains(place) ? positional[place] : self[name]
    }
}
