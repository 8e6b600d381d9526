import DamaSupport

/// The value of a scalar in YAML 1.2's core schema (chapter 10.3.2). A quoted scalar is always text.
enum YAMLScalar {
    static let tagPrefix = "tag:yaml.org,2002:"

    /// - Throws: ``DamaError/Code/invalidArgument`` for a tag that is unknown or does not match the text, and for a
    ///   number that is not finite.
    static func value(_ text: String, isPlain: Bool, tag: String?) throws(DamaError) -> JSON {
        guard let tag else { return isPlain ? try plain(text) : .string(text) }
        let expected = tag.hasPrefix(tagPrefix) ? String(tag.dropFirst(tagPrefix.count)) : tag
        if expected == "str" || expected == "!" { return .string(text) }
        let value = try plain(text)
        switch (expected, value) {
        case ("null", .null), ("bool", .bool), ("int", .int), ("float", .double): return value
        case ("float", .int(let number)): return .double(Double(number))
        case ("null", _), ("bool", _), ("int", _), ("float", _):
            throw .invalidArgument("\"\(text.prefix(40))\" does not match its tag !!\(expected)")
        default: throw .invalidArgument("the tag \(tag.prefix(60)) is not supported")
        }
    }

    private static func plain(_ text: String) throws(DamaError) -> JSON {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        default: return try number(text) ?? .string(text)
        }
    }

    /// The number that a text spells; `nil` if it is not a number.
    private static func number(_ text: String) throws(DamaError) -> JSON? {
        let bytes = Array(text.utf8)
        if let digits = digits(of: text, after: "0x"), let value = Int64(digits, radix: 16) { return .int(value) }
        if let digits = digits(of: text, after: "0o"), let value = Int64(digits, radix: 8) { return .int(value) }
        let unsigned = bytes.first.map { "+-".utf8.contains($0) } == true ? bytes.dropFirst() : bytes[...]
        if [".inf", ".Inf", ".INF"].contains(where: { unsigned.elementsEqual($0.utf8) })
            || [".nan", ".NaN", ".NAN"].contains(text)
        {
            throw .invalidArgument("\(text) is not a finite number")
        }
        guard isDecimal(unsigned) else { return nil }
        // An integer beyond 64 bits becomes a floating-point number.
        if unsigned.allSatisfy(isDigit), let value = Int64(text) { return .int(value) }
        guard let value = Double(text), value.isFinite else {
            throw .invalidArgument("\(text.prefix(40)) is not a finite number")
        }
        return .double(value)
    }

    private static func digits(of text: String, after prefix: String) -> Substring? {
        guard text.hasPrefix(prefix) else { return nil }
        let rest = text.dropFirst(prefix.count)
        // A radix literal has no sign.
        return rest.first == "+" || rest.first == "-" ? nil : rest
    }

    /// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
    private static func isDecimal(_ bytes: ArraySlice<UInt8>) -> Bool {
        var rest = bytes
        let whole = take(&rest)
        var fraction = 0
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            fraction = take(&rest)
        }
        guard whole + fraction > 0 else { return false }
        guard let mark = rest.first else { return true }
        guard mark | 0x20 == UInt8(ascii: "e") else { return false }
        rest = rest.dropFirst()
        if let sign = rest.first, "+-".utf8.contains(sign) { rest = rest.dropFirst() }
        return take(&rest) > 0 && rest.isEmpty
    }

    /// Removes leading digits and returns their number.
    private static func take(_ bytes: inout ArraySlice<UInt8>) -> Int {
        let count = bytes.prefix(while: isDigit).count
        bytes = bytes.dropFirst(count)
        return count
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
