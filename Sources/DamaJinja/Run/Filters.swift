import DamaSupport

extension Renderer {
    /// `value | name(arguments)`
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for a filter that is not known.
    mutating func filter(_ name: String, _ value: Value, _ arguments: Arguments) throws(DamaError) -> Value {
        if let result = try textFilter(name, value, arguments) { return result }
        if let result = try listFilter(name, value, arguments) { return result }
        if let result = try numberFilter(name, value, arguments) { return result }
        throw TemplateError.unsupported("the filter '\(name)' is not known", line: line)
    }

    mutating func apply(_ filters: [(String, CallArguments)], to value: Value) throws(DamaError) -> Value {
        var value = value
        for (name, arguments) in filters { value = try filter(name, value, try evaluate(arguments)) }
        return value
    }

    func integer(_ value: Value?, _ what: String) throws(DamaError) -> Int {
        guard let number = value?.integer else { throw error("\(what) needs an integer") }
        return number
    }

    func text(_ value: Value?, _ what: String) throws(DamaError) -> Text {
        guard case .string(let text)? = value else { throw error("\(what) needs a string") }
        return text
    }

    // MARK: Texts

    private mutating func textFilter(
        _ name: String, _ value: Value, _ arguments: Arguments
    ) throws(DamaError) -> Value? {
        switch name {
        case "string": return .string(try string(of: value))
        case "safe": return value
        case "upper": return .string(try string(of: value).uppercased)
        case "lower": return .string(try string(of: value).lowercased)
        case "capitalize": return .string(try string(of: value).capitalized)
        case "title": return .string(try titled(string(of: value)))
        case "trim":
            var set: Text?
            if let chars = arguments.value(0, "chars"), !chars.isNone { set = try text(chars, "trim") }
            return .string(try string(of: value).trimmed(set))
        case "replace":
            let text = try string(of: value)
            let old = try string(of: arguments.value(0, "old") ?? .none)
            let new = try string(of: arguments.value(1, "new") ?? .none)
            let limit = arguments.value(2, "count")?.integer
            try checkReplacement(text, old, new)
            return .string(text.replacing(old, with: new, limit: limit.flatMap { $0 < 0 ? nil : $0 }))
        case "indent": return .string(try indented(value, arguments))
        case "center":
            return .string(try padded(string(of: value), arguments.value(0, "width")?.integer ?? 80, "center", " "))
        case "truncate": return .string(try truncated(value, arguments))
        case "wordcount":
            let marks = try string(of: value).scalars.map {
                $0.isLetter || $0.properties.numericType != nil || $0 == "_"
            }
            return .int(zip(marks, [false] + marks).count { $0 && !$1 })
        case "escape", "e":
            var text = try string(of: value)
            for (mark, name) in [("&", "&amp;"), (">", "&gt;"), ("<", "&lt;"), ("'", "&#39;"), ("\"", "&#34;")] {
                text = text.replacing(Text(mark), with: Text(name))
                try check(characters: text.count)
            }
            return .string(text)
        case "urlencode": return .string(Self.percentEncoded(try string(of: value)))
        case "format":
            let values =
                arguments.positional.isEmpty
                ? .dict(Mapping(arguments.named.map { ($0.name, $0.value) })) : Value.tuple(arguments.positional)
            return .string(try formatted(string(of: value), values))
        case "tojson": return .string(try json(value, try jsonStyle(arguments)))
        case "pprint": return .string(try representation(of: value))
        default: return nil
        }
    }

    /// Jinja's own `title`: words begin behind white space, hyphens and opening brackets.
    private func titled(_ text: Text) -> Text {
        var result: [Unicode.Scalar] = []
        var isStart = true
        for scalar in text.scalars {
            let properties = scalar.properties
            result += (isStart ? properties.uppercaseMapping : properties.lowercaseMapping).unicodeScalars
            isStart = scalar.isPythonSpace || "-([{<".unicodeScalars.contains(scalar)
        }
        return Text(result)
    }

    private mutating func indented(_ value: Value, _ arguments: Arguments) throws(DamaError) -> Text {
        let text = try string(of: value)
        var indent = Text("    ")
        if let width = arguments.value(0, "width") {
            if case .string(let given) = width {
                indent = given
            } else {
                let count = try integer(width, "indent")
                try check(characters: max(0, count))
                indent = Text(repeatElement(" ", count: max(0, count)))
            }
        }
        let first = arguments.value(1, "first")?.isTrue ?? false
        let blank = arguments.value(2, "blank")?.isTrue ?? false
        var result: [Unicode.Scalar] = first ? indent.scalars : []
        // A newline at the end is a last line, which is empty.
        for (index, line) in (text + "\n").lines().enumerated() {
            if index > 0 {
                result.append("\n")
                if blank || !line.isEmpty { result += indent.scalars }
            }
            result += line.scalars
            try check(characters: result.count)
        }
        return Text(result)
    }

    private mutating func truncated(_ value: Value, _ arguments: Arguments) throws(DamaError) -> Text {
        let text = try string(of: value)
        let length = arguments.value(0, "length")?.integer ?? 255
        let end = try self.text(arguments.value(2, "end") ?? .string("..."), "truncate")
        let leeway = arguments.value(3, "leeway")?.integer ?? 5
        guard length >= end.count, leeway >= 0 else { throw error("truncate needs a length of at least \(end.count)") }
        if text.count <= length.addingReportingOverflow(leeway).partialValue { return text }
        let part = Text(text.scalars.prefix(length - end.count))
        if arguments.value(1, "killwords")?.isTrue ?? false { return part + end }
        return (part.lastIndex(of: " ").map { Text(part.scalars.prefix($0)) } ?? part) + end
    }

    private static func percentEncoded(_ text: Text) -> Text {
        let safe = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~/".utf8)
        return Text(
            text.string.utf8.map {
                safe.contains($0)
                    ? String(UnicodeScalar($0)) : "%\(hexadecimal(UInt32($0), digits: 2).uppercased())"
            }.joined())
    }

    private func jsonStyle(_ arguments: Arguments) throws(DamaError) -> JSONStyle {
        var style = JSONStyle()
        if let ascii = arguments.value(0, "ensure_ascii") { style.isASCII = ascii.isTrue }
        switch arguments.value(1, "indent") {
        case nil, .none?: break
        case .string(let text)?: style.indent = text
        case let width?:
            let count = try integer(width, "tojson's indent")
            try check(characters: max(0, count))
            style.indent = Text(repeatElement(" ", count: max(0, count)))
        }
        if style.indent != nil { style.itemSeparator = "," }
        switch arguments.value(2, "separators") {
        case .list(let parts)? where parts.count == 2, .tuple(let parts)? where parts.count == 2:
            style.itemSeparator = try text(parts[0], "tojson's separators")
            style.keySeparator = try text(parts[1], "tojson's separators")
        default: break
        }
        style.sortsKeys = arguments.value(3, "sort_keys")?.isTrue ?? false
        return style
    }

    // MARK: Numbers and defaults

    private mutating func numberFilter(
        _ name: String, _ value: Value, _ arguments: Arguments
    ) throws(DamaError) -> Value? {
        switch name {
        case "default", "d":
            let replaces = value.isUndefined || ((arguments.value(1, "boolean")?.isTrue ?? false) && !value.isTrue)
            return replaces ? arguments.value(0, "default_value") ?? .string("") : value
        case "abs":
            if let integer = value.integer {
                guard integer != .min else { throw error("an integer does not fit 64 bits") }
                return .int(abs(integer))
            }
            guard let number = value.number else { throw error("abs needs a number, found a \(value.typeName)") }
            return .float(abs(number))
        case "int":
            let fallback = arguments.value(0, "default") ?? .int(0)
            if case .undefined(let what) = value { throw error(what) }
            if let integer = value.integer { return .int(integer) }
            if let number = value.number {
                return Int(exactly: number.rounded(.towardZero)).map { .int($0) } ?? fallback
            }
            guard case .string(let text) = value else { return fallback }
            let trimmed = text.trimmed().string
            let base = arguments.value(1, "base")?.integer ?? 10
            if let number = Int(trimmed, radix: (2...36).contains(base) ? base : 10) { return .int(number) }
            return Double(trimmed).flatMap { Int(exactly: $0.rounded(.towardZero)) }.map { .int($0) } ?? fallback
        case "float":
            let fallback = arguments.value(0, "default") ?? .float(0)
            if case .undefined(let what) = value { throw error(what) }
            if let number = value.number { return .float(number) }
            guard case .string(let text) = value else { return fallback }
            return Double(text.trimmed().string).map { .float($0) } ?? fallback
        case "round":
            guard let number = value.number else { throw error("round needs a number, found a \(value.typeName)") }
            let digits = arguments.value(0, "precision")?.integer ?? 0
            let method = try text(arguments.value(1, "method") ?? .string("common"), "round").string
            if method == "common" {
                let rounded = FixedPoint.rounded(number, digits: digits)
                // An integer stays one.
                guard value.integer != nil, let integer = Int(exactly: rounded) else { return .float(rounded) }
                return .int(digits >= 0 ? value.integer ?? integer : integer)
            }
            var scale = 1.0
            for _ in 0..<min(abs(digits), 400) { scale *= 10 }
            let scaled = digits >= 0 ? number * scale : number / scale
            let rounded = scaled.rounded(method == "ceil" ? .up : .down)
            return .float(digits >= 0 ? rounded / scale : rounded * scale)
        default: return nil
        }
    }
}
