import DamaSupport

extension Renderer {
    /// `str(value)`, which is what a template writes out.
    mutating func string(of value: Value) throws(DamaError) -> Text {
        switch value {
        case .string(let text): return text
        case .undefined: return ""
        default: return try representation(of: value)
        }
    }

    /// `repr(value)`
    mutating func representation(of value: Value) throws(DamaError) -> Text {
        var result: [Unicode.Scalar] = []
        try represent(value, into: &result)
        return Text(result)
    }

    private mutating func represent(_ value: Value, into result: inout [Unicode.Scalar]) throws(DamaError) {
        try step()
        switch value {
        case .undefined: result += "Undefined".unicodeScalars
        case .none: result += "None".unicodeScalars
        case .bool(let value): result += (value ? "True" : "False").unicodeScalars
        case .int(let value): result += "\(value)".unicodeScalars
        case .float(let value): result += Self.text(of: value).unicodeScalars
        case .string(let text): Self.quote(text, into: &result)
        case .list(let elements): try represent(elements, "[", "]", into: &result)
        case .tuple(let elements): try represent(elements, "(", elements.count == 1 ? ",)" : ")", into: &result)
        case .dict(let mapping): try represent(mapping, into: &result)
        case .namespace: result += "<Namespace>".unicodeScalars
        case .iteration(let iteration):
            // Python writes where a generator lies in memory.
            guard iteration.count != nil else { throw error("a generator is written out; put | list behind it") }
            result += "\(iteration.kind.rawValue)(".unicodeScalars
            try represent(iteration.elements(), "[", "])", into: &result)
        case .function(let function): result += "<function \(function.name)>".unicodeScalars
        case .loop: result += "<LoopContext>".unicodeScalars
        }
        try check(characters: result.count)
    }

    private mutating func represent(
        _ elements: [Value], _ open: String, _ close: String, into result: inout [Unicode.Scalar]
    ) throws(DamaError) {
        result += open.unicodeScalars
        for (index, element) in elements.enumerated() {
            if index > 0 { result += ", ".unicodeScalars }
            try nest(element, into: &result)
        }
        result += close.unicodeScalars
    }

    private mutating func represent(_ mapping: Mapping, into result: inout [Unicode.Scalar]) throws(DamaError) {
        result.append("{")
        for (index, member) in mapping.items.enumerated() {
            if index > 0 { result += ", ".unicodeScalars }
            try nest(member.key, into: &result)
            result += ": ".unicodeScalars
            try nest(member.value, into: &result)
        }
        result.append("}")
    }

    private mutating func nest(_ value: Value, into result: inout [Unicode.Scalar]) throws(DamaError) {
        var inner = result
        result = []
        defer { result = inner }
        try deeper { renderer throws(DamaError) in try renderer.represent(value, into: &inner) }
    }

    /// `repr(float)`: the shortest digits that read back as the same number.
    static func text(of number: Double) -> String {
        if number.isNaN { return "nan" }
        if number.isInfinite { return number < 0 ? "-inf" : "inf" }
        return number.description
    }

    /// `repr(str)`
    private static func quote(_ text: Text, into result: inout [Unicode.Scalar]) {
        let quote: Unicode.Scalar = text.scalars.contains("'") && !text.scalars.contains("\"") ? "\"" : "'"
        result.append(quote)
        for scalar in text.scalars {
            switch scalar {
            case quote, "\\": result += ["\\", scalar]
            case "\n": result += ["\\", "n"]
            case "\r": result += ["\\", "r"]
            case "\t": result += ["\\", "t"]
            default:
                if scalar.isPythonPrintable {
                    result.append(scalar)
                } else {
                    let (letter, digits) =
                        scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
                    result += "\\\(letter)\(hexadecimal(scalar.value, digits: digits))".unicodeScalars
                }
            }
        }
        result.append(quote)
    }

    static func hexadecimal(_ value: UInt32, digits: Int) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }

    // MARK: - JSON

    /// How `tojson` writes: the arguments of Python's `json.dumps`, with `ensure_ascii=False` as transformers sets it.
    struct JSONStyle {
        /// What one level is set in by; `nil` for one line.
        var indent: Text?
        var itemSeparator: Text = ", "
        var keySeparator: Text = ": "
        var sortsKeys = false
        var isASCII = false
    }

    mutating func json(_ value: Value, _ style: JSONStyle) throws(DamaError) -> Text {
        var result: [Unicode.Scalar] = []
        try json(value, style, level: 0, into: &result)
        return Text(result)
    }

    private mutating func json(
        _ value: Value, _ style: JSONStyle, level: Int, into result: inout [Unicode.Scalar]
    ) throws(DamaError) {
        try step()
        guard level < limits.depth else { throw error("tojson nests more than \(limits.depth) levels deep") }
        switch value {
        case .none: result += "null".unicodeScalars
        case .bool(let value): result += (value ? "true" : "false").unicodeScalars
        case .int(let value): result += "\(value)".unicodeScalars
        case .float(let value):
            let text = Self.text(of: value)
            let special = ["nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"]
            result += (special[text] ?? text).unicodeScalars
        case .string(let text): Self.jsonString(text, isASCII: style.isASCII, into: &result)
        case .list(let elements), .tuple(let elements):
            try block("[", "]", style, level, count: elements.count, into: &result) {
                (renderer, index, result) throws(DamaError) in
                try renderer.json(elements[index], style, level: level + 1, into: &result)
            }
        case .dict(let mapping):
            var items = mapping.items
            if style.sortsKeys {
                var failure: DamaError?
                items.sort { a, b in
                    do throws(DamaError) {
                        return try isLess(a.key, b.key)
                    } catch {
                        failure = error
                        return false
                    }
                }
                if let failure { throw failure }
            }
            try block("{", "}", style, level, count: items.count, into: &result) {
                (renderer, index, result) throws(DamaError) in
                Self.jsonString(try renderer.jsonKey(items[index].key), isASCII: style.isASCII, into: &result)
                result += style.keySeparator.scalars
                try renderer.json(items[index].value, style, level: level + 1, into: &result)
            }
        case .undefined(let what): throw error("tojson of an undefined value: \(what)")
        default: throw error("tojson cannot write a value of type \(value.typeName)")
        }
        try check(characters: result.count)
    }

    private func jsonKey(_ key: Value) throws(DamaError) -> Text {
        switch key {
        case .string(let text): return text
        case .bool(let value): return value ? "true" : "false"
        case .none: return "null"
        case .int(let value): return Text("\(value)")
        case .float(let value): return Text(Self.text(of: value))
        default: throw error("tojson cannot write a key of type \(key.typeName)")
        }
    }

    private mutating func block(
        _ open: Unicode.Scalar, _ close: Unicode.Scalar, _ style: JSONStyle, _ level: Int, count: Int,
        into result: inout [Unicode.Scalar],
        _ element: (inout Renderer, Int, inout [Unicode.Scalar]) throws(DamaError) -> Void
    ) throws(DamaError) {
        result.append(open)
        func newLine(_ level: Int) {
            guard let indent = style.indent else { return }
            result.append("\n")
            for _ in 0..<level { result += indent.scalars }
        }
        for index in 0..<count {
            if index > 0 { result += style.itemSeparator.scalars }
            newLine(level + 1)
            try element(&self, index, &result)
        }
        if count > 0 { newLine(level) }
        result.append(close)
    }

    private static func jsonString(_ text: Text, isASCII: Bool, into result: inout [Unicode.Scalar]) {
        result.append("\"")
        for scalar in text.scalars {
            switch scalar {
            case "\"", "\\": result += ["\\", scalar]
            case "\n": result += ["\\", "n"]
            case "\r": result += ["\\", "r"]
            case "\t": result += ["\\", "t"]
            case "\u{08}": result += ["\\", "b"]
            case "\u{0C}": result += ["\\", "f"]
            default:
                if scalar.value < 0x20 || (isASCII && scalar.value > 0x7E) {
                    for unit in UTF16.encode(scalar) ?? .init() {
                        result += "\\u\(hexadecimal(UInt32(unit), digits: 4))".unicodeScalars
                    }
                } else {
                    result.append(scalar)
                }
            }
        }
        result.append("\"")
    }

    // MARK: - Format strings

    /// Python's `format % values`.
    mutating func formatted(_ format: Text, _ values: Value) throws(DamaError) -> Text {
        var arguments: [Value]
        var names: Mapping?
        switch values {
        case .tuple(let elements): arguments = elements
        case .dict(let mapping): (arguments, names) = ([values], mapping)
        default: arguments = [values]
        }
        var result: [Unicode.Scalar] = []
        var rest = format.scalars[...]
        while let scalar = rest.popFirst() {
            guard scalar == "%" else {
                result.append(scalar)
                continue
            }
            if rest.first == "%" {
                result.append("%")
                rest.removeFirst()
                continue
            }
            var value: Value?
            if rest.first == "(", let end = rest.firstIndex(of: ")") {
                value = names?[Text(rest[rest.index(after: rest.startIndex)..<end])]
                rest = rest[rest.index(after: end)...]
            } else if !arguments.isEmpty {
                value = arguments.removeFirst()
            }
            let flags = rest.prefix { "-+ 0#".unicodeScalars.contains($0) }
            rest = rest.dropFirst(flags.count)
            let width = rest.prefix(while: \.isDigit)
            rest = rest.dropFirst(width.count)
            var digits: Int?
            if rest.first == "." {
                let text = rest.dropFirst().prefix(while: \.isDigit)
                digits = Int(Text(text).string) ?? 0
                rest = rest.dropFirst(1 + text.count)
            }
            guard let value else { throw error("a format string has more places than there are values") }
            guard let kind = rest.popFirst() else { throw error("a format string ends after %") }
            var text = try converted(value, kind, digits: digits)
            if flags.contains("+"), let number = value.number, number >= 0 { text = "+" + text }
            let missing = (Int(Text(width).string) ?? 0) - text.count
            try check(characters: max(0, missing))
            if missing > 0 {
                let pad = Text(repeatElement(flags.contains("0") && value.number != nil ? "0" : " ", count: missing))
                text = flags.contains("-") ? text + Text(repeatElement(" ", count: missing)) : pad + text
            }
            result += text.scalars
        }
        let isTakenForMapping: Bool
        switch values {
        case .dict, .list, .undefined: isTakenForMapping = true
        default: isTakenForMapping = false
        }
        guard arguments.isEmpty || isTakenForMapping else {
            throw error("a format string has fewer places than there are values")
        }
        return Text(result)
    }

    private mutating func converted(_ value: Value, _ kind: Unicode.Scalar, digits: Int?) throws(DamaError) -> Text {
        switch kind {
        case "s":
            let text = try string(of: value)
            return digits.map { Text(text.scalars.prefix($0)) } ?? text
        case "r": return try representation(of: value)
        case "d", "i":
            guard let number = value.number, let integer = Int(exactly: number.rounded(.towardZero)) else {
                throw error("%\(kind) needs a number, found a \(value.typeName)")
            }
            return Text("\(value.integer ?? integer)")
        case "f", "F":
            guard let number = value.number else { throw error("%f needs a number, found a \(value.typeName)") }
            return Text(FixedPoint.text(number, digits: min(digits ?? 6, 100)))
        case "x":
            guard let integer = value.integer else { throw error("%x needs an integer, found a \(value.typeName)") }
            return Text(String(integer, radix: 16))
        default: throw error("the format %\(kind) is not supported")
        }
    }
}
