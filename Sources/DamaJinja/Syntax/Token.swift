/// A piece of a template's source.
enum Token: Equatable {
    /// Text outside of tags, as it is written out.
    case data(Text)
    case variableBegin, variableEnd, blockBegin, blockEnd
    case name(String)
    case string(Text)
    case int(Int)
    case float(Double)
    /// An operator or a bracket.
    case symbol(String)
    case end

    /// The token as a message shows it.
    var description: String {
        switch self {
        case .data: "text"
        case .variableBegin: "{{"
        case .variableEnd: "}}"
        case .blockBegin: "{%"
        case .blockEnd: "%}"
        case .name(let name): name
        case .string(let text): "'\(text.string)'"
        case .int(let value): "\(value)"
        case .float(let value): "\(value)"
        case .symbol(let text): text
        case .end: "the end of the template"
        }
    }
}

struct PlacedToken {
    var token: Token
    /// From 1.
    var line: Int
}
