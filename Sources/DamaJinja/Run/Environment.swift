import DamaSupport

/// The functions that every chat template may call, as transformers provides them.
struct Environment: Sendable {
    let globals: [(String, Value)]

    /// The most elements of `range`, Jinja's own limit.
    private static let rangeLimit = 100_000

    /// - Parameter date: what `strftime_now` takes for now; without one it is an error to ask.
    init(date: CalendarDate?) {
        globals = [
            Self.function("range", Self.range),
            Self.function("namespace") { (renderer, arguments) throws(DamaError) in
                let made = Namespace(try Self.members(&renderer, arguments))
                renderer.keep(made)
                return .namespace(made)
            },
            Self.function("dict") { (renderer, arguments) throws(DamaError) in
                .dict(try Self.members(&renderer, arguments))
            },
            Self.function("raise_exception") { (renderer, arguments) throws(DamaError) in
                throw TemplateError.raised(
                    try renderer.string(of: arguments.value(0, "message") ?? .string("no reason given")).string)
            },
            Self.function("strftime_now") { (renderer, arguments) throws(DamaError) in
                guard let date else { throw renderer.error("the template asks for today's date, and none is given") }
                return .text(try date.text(try renderer.text(arguments.value(0, "format"), "strftime_now").string))
            },
            Self.function("cycler") { (renderer, arguments) throws(DamaError) in
                throw TemplateError.unsupported("cycler is not known", line: renderer.line)
            },
            Self.function("joiner") { (renderer, arguments) throws(DamaError) in
                let separator = arguments.value(0, "sep") ?? .string(", ")
                let state = Namespace(Mapping())
                return .function(
                    Function("joiner") { _, _ in
                        defer { state.members.set(.text("used"), .bool(true)) }
                        return state.members["used"] == nil ? .string("") : separator
                    })
            },
        ]
    }

    private static func function(
        _ name: String, _ body: @escaping @Sendable (inout Renderer, Arguments) throws(DamaError) -> Value
    ) -> (String, Value) {
        (name, .function(Function(name, body)))
    }

    private static func members(_ renderer: inout Renderer, _ arguments: Arguments) throws(DamaError) -> Mapping {
        var mapping = Mapping()
        if case .dict(let start)? = arguments.positional.first { mapping = start }
        for (name, value) in arguments.named { mapping.set(.text(name), value) }
        return mapping
    }

    private static func range(_ renderer: inout Renderer, _ arguments: Arguments) throws(DamaError) -> Value {
        var bounds: [Int] = []
        for value in arguments.positional { bounds.append(try renderer.integer(value, "range")) }
        guard (1...3).contains(bounds.count) else { throw renderer.error("range needs one to three integers") }
        let (start, stop) = bounds.count == 1 ? (0, bounds[0]) : (bounds[0], bounds[1])
        let step = bounds.count == 3 ? bounds[2] : 1
        guard step != 0 else { throw renderer.error("range's step is 0") }
        var values: [Value] = []
        var next = start
        while step > 0 ? next < stop : next > stop {
            values.append(.int(next))
            guard values.count <= rangeLimit else {
                throw renderer.error("range has more than \(rangeLimit) elements")
            }
            let (sum, overflow) = next.addingReportingOverflow(step)
            if overflow { break }
            next = sum
        }
        try renderer.step(values.count)
        return .list(values)
    }
}
