import DamaSupport

/// The source of a regular expression, read scalar by scalar. Errors name the current position.
struct PatternReader {
    let scalars: [Unicode.Scalar]
    var position = 0

    private let source: String

    init(_ source: String) {
        self.source = source
        scalars = Array(source.unicodeScalars)
    }

    var isAtEnd: Bool { position == scalars.count }

    func peek() -> Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    mutating func advance() -> Unicode.Scalar? {
        guard let scalar = peek() else { return nil }
        position += 1
        return scalar
    }

    mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard peek() == scalar else { return false }
        position += 1
        return true
    }

    func unsupported(_ what: String) -> DamaError {
        .unsupported("pattern \"\(source.prefix(200))\", character \(position): \(what) is not supported")
    }

    func malformed(_ what: String) -> DamaError {
        .model("pattern \"\(source.prefix(200))\", character \(position): \(what)")
    }
}
