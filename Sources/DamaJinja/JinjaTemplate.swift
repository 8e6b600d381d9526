import DamaSupport

/// A chat template in Jinja, as transformers runs it: `trim_blocks`, `lstrip_blocks`, loop controls, the tag
/// `generation`, the functions `raise_exception`, `strftime_now` and `namespace`, and `tojson` without escapes.
///
/// A template reads no file and sees no time but the given one. Steps, text and nesting are limited. May be used from
/// several threads.
package struct JinjaTemplate: Sendable {
    private let statements: [Statement]

    /// The most bytes of a template. The longest that is known has about 60,000.
    private static let byteLimit = 1 << 20

    /// - Throws: ``DamaError/Code/model`` for a syntax error, with its line; ``DamaError/Code/unsupported`` for a tag
    ///   that needs other templates.
    package init(_ source: String) throws(DamaError) {
        guard source.utf8.count <= Self.byteLimit else {
            throw .model("the chat template has \(source.utf8.count) bytes; at most \(Self.byteLimit) are read")
        }
        statements = try Parser.template(source)
    }

    /// The text of the template with these variables.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` where the template itself refuses the conversation
    ///   (`raise_exception`); ``DamaError/Code/model`` for an error while it runs, with its line, and beyond a limit.
    package func render(_ variables: [(String, Value)], date: CalendarDate? = nil) throws(DamaError) -> String {
        var renderer = Renderer(Environment(date: date), limits: Renderer.Limits(), variables: variables)
        defer { renderer.empty() }
        guard case .normal = try renderer.run(statements) else {
            throw .model("chat template: {% break %} or {% continue %} outside a loop")
        }
        return Text(renderer.output).string
    }
}
