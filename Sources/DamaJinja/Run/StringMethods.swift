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

    /// What a search goes through: from the second argument up to the third one. `nil` if it begins behind the end,
    /// where not even an empty text is found.
    private static func bounded(
        _ text: Text, _ arguments: Arguments, _ method: String, _ renderer: Renderer
    ) throws(DamaError) -> (text: Text, start: Int)? {
        func bound(_ place: Int, _ fallback: Int) throws(DamaError) -> Int {
            guard let value = arguments.value(place, ""), !value.isNone else { return fallback }
            guard let bound = value.integer else { throw renderer.error("str.\(method) needs integers as bounds") }
            return bound < 0 ? max(0, bound.addingReportingOverflow(text.count).partialValue) : bound
        }
        let (start, end) = (try bound(1, 0), min(try bound(2, text.count), text.count))
        return start <= end ? (Text(text.scalars[start..<end]), start) : nil
    }

    private static func searching(_ name: String, _ text: Text) -> Body? {
        switch name {
        case "startswith", "endswith":
            return { (renderer, arguments) throws(DamaError) in
                let searched = try bounded(text, arguments, name, renderer)?.text
                var parts: [Value] = arguments.positional.first.map { [$0] } ?? []
                if case .tuple(let several)? = arguments.positional.first { parts = several }
                for part in parts {
                    let part = try self.text(part, name, renderer)
                    guard let searched else { continue }
                    if name == "startswith" ? searched.hasPrefix(part) : searched.hasSuffix(part) { return .bool(true) }
                }
                guard !arguments.positional.isEmpty else { throw renderer.error("str.\(name) needs a string") }
                return .bool(false)
            }
        case "find", "rfind", "index", "rindex":
            return { (renderer, arguments) throws(DamaError) in
                let wanted = try self.text(arguments.positional.first, name, renderer)
                let place = try bounded(text, arguments, name, renderer).flatMap { part in
                    (name.hasPrefix("r") ? part.text.lastIndex(of: wanted) : part.text.firstIndex(of: wanted))
                        .map { $0 + part.start }
                }
                guard place != nil || name.hasSuffix("find") else { throw renderer.error("str.\(name): not found") }
                return .int(place ?? -1)
            }
        case "count":
            return { (renderer, arguments) throws(DamaError) in
                let wanted = try self.text(arguments.positional.first, name, renderer)
                return .int(try bounded(text, arguments, name, renderer)?.text.count(of: wanted) ?? 0)
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
        case "expandtabs":
            return { (renderer, arguments) throws(DamaError) in
                let size = try renderer.integer(arguments.value(0, "tabsize") ?? .int(8), "str.expandtabs")
                return .string(try renderer.expanded(text, tabSize: size))
            }
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
