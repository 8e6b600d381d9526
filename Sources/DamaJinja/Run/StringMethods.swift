import DamaSupport

/// Python's methods of `str`.
enum StringMethods {
    private typealias Body = @Sendable (inout Renderer, Arguments) throws(DamaError) -> Value

    static func method(_ name: String, of text: Text) -> Function? {
        guard let body = cutting(name, text) ?? searching(name, text) ?? asking(name, text) ?? changing(name, text)
        else {
            return nil
        }
        return Function("str.\(name)") { (renderer, arguments) throws(DamaError) in
            try renderer.step(1 + text.count / 16)
            return try body(&renderer, arguments)
        }
    }

    private static func text(
        _ value: Value?, _ method: String, _ renderer: Renderer
    ) throws(DamaError) -> Text {
        guard case .string(let text)? = value else {
            throw renderer.error("str.\(method) needs a string, found \(value.map { "a \($0.typeName)" } ?? "nothing")")
        }
        return text
    }

    private static func optionalText(
        _ value: Value?, _ method: String, _ renderer: Renderer
    ) throws(DamaError) -> Text? {
        if value == nil { return nil }
        if case .none? = value { return nil }
        return try text(value, method, renderer)
    }

    private static func limit(_ value: Value?, _ method: String, _ renderer: Renderer) throws(DamaError) -> Int? {
        guard let value else { return nil }
        guard let count = value.integer else { throw renderer.error("str.\(method) needs a count") }
        return count < 0 ? nil : count
    }

    private static func list(_ parts: [Text]) -> Value { .list(parts.map { .string($0) }) }

    // MARK: Cutting

    private static func cutting(_ name: String, _ text: Text) -> Body? {
        switch name {
        case "strip", "lstrip", "rstrip":
            return { (renderer, arguments) throws(DamaError) in
                let set = try optionalText(arguments.value(0, "chars"), name, renderer)
                return .string(text.trimmed(set, left: name != "rstrip", right: name != "lstrip"))
            }
        case "split", "rsplit":
            return { (renderer, arguments) throws(DamaError) in
                let separator = try optionalText(arguments.value(0, "sep"), name, renderer)
                guard separator?.isEmpty != true else { throw renderer.error("str.\(name) needs a separator") }
                let limit = try limit(arguments.value(1, "maxsplit"), name, renderer)
                return list(
                    name == "split" ? text.split(separator, limit: limit) : text.splitFromRight(separator, limit: limit)
                )
            }
        case "splitlines":
            return { _, arguments in list(text.lines(keepingEnds: arguments.value(0, "keepends")?.isTrue ?? false)) }
        case "partition", "rpartition":
            return { (renderer, arguments) throws(DamaError) in
                let separator = try self.text(arguments.value(0, "sep"), name, renderer)
                guard !separator.isEmpty else { throw renderer.error("str.\(name) needs a separator") }
                let found = name == "partition" ? text.firstIndex(of: separator) : text.lastIndex(of: separator)
                guard let found else {
                    let parts = name == "partition" ? [text, Text(""), Text("")] : [Text(""), Text(""), text]
                    return .tuple(parts.map { .string($0) })
                }
                let parts = [
                    Text(text.scalars[..<found]), separator, Text(text.scalars[(found + separator.count)...]),
                ]
                return .tuple(parts.map { .string($0) })
            }
        case "removeprefix", "removesuffix":
            return { (renderer, arguments) throws(DamaError) in
                let part = try self.text(arguments.positional.first, name, renderer)
                if name == "removeprefix" {
                    return .string(text.hasPrefix(part) ? Text(text.scalars.dropFirst(part.count)) : text)
                }
                return .string(text.hasSuffix(part) ? Text(text.scalars.dropLast(part.count)) : text)
            }
        default: return nil
        }
    }

    // MARK: Searching

    private static func searching(_ name: String, _ text: Text) -> Body? {
        switch name {
        case "startswith", "endswith":
            return { (renderer, arguments) throws(DamaError) in
                var parts: [Value] = arguments.positional.first.map { [$0] } ?? []
                if case .tuple(let several)? = arguments.positional.first { parts = several }
                for part in parts {
                    let part = try self.text(part, name, renderer)
                    if name == "startswith" ? text.hasPrefix(part) : text.hasSuffix(part) { return .bool(true) }
                }
                guard !arguments.positional.isEmpty else { throw renderer.error("str.\(name) needs a string") }
                return .bool(false)
            }
        case "find", "rfind", "index", "rindex":
            return { (renderer, arguments) throws(DamaError) in
                let part = try self.text(arguments.positional.first, name, renderer)
                let place = name.hasPrefix("r") ? text.lastIndex(of: part) : text.firstIndex(of: part)
                guard place != nil || name.hasSuffix("find") else { throw renderer.error("str.\(name): not found") }
                return .int(place ?? -1)
            }
        case "count":
            return { (renderer, arguments) throws(DamaError) in
                .int(text.count(of: try self.text(arguments.positional.first, name, renderer)))
            }
        default: return nil
        }
    }

    // MARK: Asking

    private static func asking(_ name: String, _ text: Text) -> Body? {
        func all(_ isOne: @escaping @Sendable (Unicode.Scalar) -> Bool) -> Body {
            { _, _ in .bool(!text.isEmpty && text.scalars.allSatisfy(isOne)) }
        }
        switch name {
        case "isspace": return all { $0.isPythonSpace }
        case "isdigit", "isdecimal":
            return all {
                guard let type = $0.properties.numericType else { return false }
                return type == .decimal || (name == "isdigit" && type == .digit)
            }
        case "isnumeric": return all { $0.properties.numericType != nil }
        case "isalpha": return all { $0.isLetter }
        case "isalnum": return all { $0.isLetter || $0.properties.numericType != nil }
        case "isascii": return { _, _ in .bool(text.scalars.allSatisfy { $0.value < 0x80 }) }
        case "isupper":
            return { _, _ in
                .bool(
                    text.scalars.contains { $0.properties.isUppercase }
                        && !text.scalars.contains { $0.properties.isLowercase })
            }
        case "islower":
            return { _, _ in
                .bool(
                    text.scalars.contains { $0.properties.isLowercase }
                        && !text.scalars.contains { $0.properties.isUppercase })
            }
        default: return nil
        }
    }

    // MARK: Changing

    private static func changing(_ name: String, _ text: Text) -> Body? {
        switch name {
        case "upper": return { _, _ in .string(text.uppercased) }
        case "lower", "casefold": return { _, _ in .string(text.lowercased) }
        case "capitalize": return { _, _ in .string(text.capitalized) }
        case "title": return { _, _ in .string(text.titlecased) }
        case "swapcase":
            return { _, _ in
                .string(
                    Text(
                        text.scalars.flatMap {
                            ($0.properties.isUppercase
                                ? $0.properties.lowercaseMapping : $0.properties.uppercaseMapping).unicodeScalars
                        }))
            }
        case "replace":
            return { (renderer, arguments) throws(DamaError) in
                let old = try self.text(arguments.value(0, "old"), name, renderer)
                let new = try self.text(arguments.value(1, "new"), name, renderer)
                let limit = try limit(arguments.value(2, "count"), name, renderer)
                try renderer.checkReplacement(text, old, new)
                return .string(text.replacing(old, with: new, limit: limit))
            }
        case "join":
            return { (renderer, arguments) throws(DamaError) in
                var result: [Unicode.Scalar] = []
                for (index, part) in try renderer.elements(of: arguments.positional.first ?? .none).enumerated() {
                    if index > 0 { result += text.scalars }
                    result += try self.text(part, name, renderer).scalars
                    try renderer.check(characters: result.count)
                }
                return .string(Text(result))
            }
        case "zfill", "center", "ljust", "rjust":
            return { (renderer, arguments) throws(DamaError) in
                guard let width = arguments.value(0, "width")?.integer else {
                    throw renderer.error("str.\(name) needs a width")
                }
                let fill =
                    name == "zfill" ? Text("0") : try optionalText(arguments.value(1, "fillchar"), name, renderer)
                return .string(try renderer.padded(text, width, name, fill?.scalars.first ?? " "))
            }
        case "format":
            return { (renderer, arguments) throws(DamaError) in
                .string(try renderer.braceFormatted(text, arguments))
            }
        case "expandtabs": return { _, _ in .string(text.replacing("\t", with: "        ")) }
        default: return nil
        }
    }
}

extension Unicode.Scalar {
    var isLetter: Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }
}

extension Renderer {
    /// A replacement may make a text much longer: its length is known before it is made.
    func checkReplacement(_ text: Text, _ old: Text, _ new: Text) throws(DamaError) {
        let (added, overflow) = text.count(of: old).multipliedReportingOverflow(by: new.count)
        try check(characters: overflow ? .max : text.count.addingReportingOverflow(added).partialValue)
    }

    func padded(_ text: Text, _ width: Int, _ side: String, _ fill: Unicode.Scalar) throws(DamaError) -> Text {
        let missing = width.subtractingReportingOverflow(text.count).partialValue
        guard missing > 0 else { return text }
        try check(characters: missing)
        func pad(_ count: Int) -> Text { Text(repeatElement(fill, count: count)) }
        switch side {
        case "ljust": return text + pad(missing)
        case "center":
            // Python's choice where the rest is odd.
            let left = missing / 2 + (missing & width & 1)
            return pad(left) + text + pad(missing - left)
        case "zfill":
            guard let sign = text.scalars.first, sign == "-" || sign == "+" else { return pad(missing) + text }
            return Text([sign]) + pad(missing) + Text(text.scalars.dropFirst())
        default: return pad(missing) + text
        }
    }

    /// `str.format` with places and names, without format specifications.
    mutating func braceFormatted(_ format: Text, _ arguments: Arguments) throws(DamaError) -> Text {
        var result: [Unicode.Scalar] = []
        var rest = format.scalars[...]
        var next = 0
        while let scalar = rest.popFirst() {
            if scalar == "{" || scalar == "}", rest.first == scalar {
                rest.removeFirst()
                result.append(scalar)
            } else if scalar == "{" {
                guard let end = rest.firstIndex(of: "}") else { throw error("a format string does not close {") }
                let field = Text(rest[..<end]).string
                rest = rest[(end + 1)...]
                let value: Value?
                if field.isEmpty {
                    value = arguments.positional.indices.contains(next) ? arguments.positional[next] : nil
                    next += 1
                } else if let place = Int(field) {
                    value = arguments.positional.indices.contains(place) ? arguments.positional[place] : nil
                } else {
                    value = arguments[field]
                }
                guard let value else { throw error("a format string asks for '\(field)', which is not given") }
                result += try string(of: value).scalars
            } else {
                result.append(scalar)
            }
            try check(characters: result.count)
        }
        return Text(result)
    }
}
