import DamaSupport

/// The errors of chat templates, each with the line it came from.
enum TemplateError {
    static func syntax(_ what: String, line: Int) -> DamaError { .model("chat template, line \(line): \(what)") }

    static func unsupported(_ what: String, line: Int) -> DamaError {
        .unsupported("chat template, line \(line): \(what)")
    }

    /// What goes wrong while a template runs.
    static func run(_ what: String, line: Int) -> DamaError { .model("chat template, line \(line): \(what)") }

    /// What a template refuses by itself, with `raise_exception`.
    static func raised(_ message: String) -> DamaError {
        .invalidArgument("the chat template refuses this: \(message)")
    }
}
