import DamaSupport

/// Splits a template into tokens, as Jinja does with `trim_blocks` and `lstrip_blocks`, which transformers sets: the
/// newline after a block or comment is dropped, and so is white space between the start of a line and such a tag. A
/// minus sign in a tag drops all white space on its side; a plus sign keeps it.
struct Lexer {
    private let source: [Unicode.Scalar]
    private var place = 0
    private var line = 1
    private var tokens: [PlacedToken] = []
    /// Whether what was read last ends a line.
    private var isLineStart = true

    private init(_ source: [Unicode.Scalar]) { self.source = source }

    /// - Throws: ``DamaError/Code/model`` for a tag, string or comment that does not end, and unknown characters.
    static func tokens(_ source: String) throws(DamaError) -> [PlacedToken] {
        var lexer = Lexer(normalized(source))
        try lexer.run()
        return lexer.tokens
    }

    /// Newlines of every kind as `\n`; the last one is dropped.
    private static func normalized(_ source: String) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        var previous: Unicode.Scalar?
        for scalar in source.unicodeScalars {
            if scalar == "\n", previous == "\r" {
                previous = scalar
                continue
            }
            result.append(scalar == "\r" ? "\n" : scalar)
            previous = scalar
        }
        if result.last == "\n" { result.removeLast() }
        return result
    }

    // MARK: Text

    private mutating func run() throws(DamaError) {
        while place < source.count {
            guard let tag = nextTag() else {
                emit(.data(Text(source[place...])))
                place = source.count
                break
            }
            let kind = source[tag + 1]
            let sign =
                tag + 2 < source.count && (source[tag + 2] == "-" || source[tag + 2] == "+") ? source[tag + 2] : nil
            emitData(upTo: tag, sign: sign, isBlock: kind != "{")
            advance(to: tag + (sign == nil ? 2 : 3))
            switch kind {
            case "#": try skipComment()
            case "{":
                emit(.variableBegin)
                try readExpression(end: "}}", isBlock: false)
            default:
                if try skipRaw() { continue }
                emit(.blockBegin)
                try readExpression(end: "%}", isBlock: true)
            }
        }
        emit(.end)
    }

    /// The place of the next `{{`, `{%` or `{#`.
    private func nextTag() -> Int? {
        guard source.count >= 2 else { return nil }
        var index = place
        while index + 1 < source.count {
            if source[index] == "{", source[index + 1] == "{" || source[index + 1] == "%" || source[index + 1] == "#" {
                return index
            }
            index += 1
        }
        return nil
    }

    /// The text before a tag, without the white space that the tag drops.
    private mutating func emitData(upTo end: Int, sign: Unicode.Scalar?, isBlock: Bool) {
        let text = Self.cut(Array(source[place..<end]), sign: sign, stripsLine: isBlock, isLineStart: isLineStart)
        if !text.isEmpty { emit(.data(Text(text))) }
        advance(to: end)
    }

    private static func cut(
        _ text: [Unicode.Scalar], sign: Unicode.Scalar?, stripsLine: Bool, isLineStart: Bool
    ) -> [Unicode.Scalar] {
        if sign == "-" { return Text(text).trimmed(left: false).scalars }
        guard sign == nil, stripsLine else { return text }
        let start = text.lastIndex(of: "\n").map { $0 + 1 } ?? 0
        guard start > 0 || isLineStart, text[start...].allSatisfy(\.isPythonSpace) else { return text }
        return Array(text[..<start])
    }

    // MARK: Tags without expressions

    private mutating func skipComment() throws(DamaError) {
        let start = line
        var index = place
        while index + 1 < source.count {
            if source[index] == "#", source[index + 1] == "}" {
                let sign =
                    index > place && (source[index - 1] == "-" || source[index - 1] == "+") ? source[index - 1] : nil
                advance(to: index + 2)
                skipAfterTag(sign: sign, isBlock: true)
                return
            }
            index += 1
        }
        throw TemplateError.syntax("a comment {# does not end", line: start)
    }

    /// Reads `{% raw %}…{% endraw %}`, after the begin and sign of its tag. False for another block.
    private mutating func skipRaw() throws(DamaError) -> Bool {
        guard let behind = match(tag: "raw", from: place) else { return false }
        let start = line
        var index = behind.end
        advance(to: index)
        if behind.sign == "-" { skipSpace() } else { isLineStart = false }
        let textStart = place
        index = place
        while index + 1 < source.count {
            guard source[index] == "{", source[index + 1] == "%" else {
                index += 1
                continue
            }
            let sign =
                index + 2 < source.count && (source[index + 2] == "-" || source[index + 2] == "+")
                ? source[index + 2] : nil
            guard let end = match(tag: "endraw", from: index + 2 + (sign == nil ? 0 : 1)) else {
                index += 1
                continue
            }
            let text = Self.cut(
                Array(source[textStart..<index]), sign: sign, stripsLine: true, isLineStart: isLineStart)
            if !text.isEmpty { emit(.data(Text(text))) }
            advance(to: end.end)
            skipAfterTag(sign: end.sign, isBlock: true)
            return true
        }
        throw TemplateError.syntax("{% raw %} has no {% endraw %}", line: start)
    }

    /// Where the tag of this name ends, and the sign before its end.
    private func match(tag: String, from start: Int) -> (end: Int, sign: Unicode.Scalar?)? {
        var index = start
        while index < source.count, source[index].isPythonSpace { index += 1 }
        let name = Array(tag.unicodeScalars)
        guard index + name.count <= source.count, source[index..<index + name.count].elementsEqual(name) else {
            return nil
        }
        index += name.count
        while index < source.count, source[index].isPythonSpace { index += 1 }
        var sign: Unicode.Scalar?
        if index < source.count, source[index] == "-" || source[index] == "+" {
            sign = source[index]
            index += 1
        }
        guard index + 1 < source.count, source[index] == "%", source[index + 1] == "}" else { return nil }
        return (index + 2, sign)
    }

    /// What a tag's end drops behind it.
    private mutating func skipAfterTag(sign: Unicode.Scalar?, isBlock: Bool) {
        if sign == "-" {
            skipSpace()
        } else if sign == nil, isBlock, place < source.count, source[place] == "\n" {
            advance(to: place + 1)
        } else {
            isLineStart = false
        }
    }

    private mutating func skipSpace() {
        var index = place
        while index < source.count, source[index].isPythonSpace { index += 1 }
        if index == place { isLineStart = false } else { advance(to: index) }
    }

    // MARK: Expressions

    private static let symbols: [String] = [
        "==", "!=", "<=", ">=", "**", "//", "+", "-", "*", "/", "%", "~", "[", "]", "(", ")", "{", "}", "<", ">", "=",
        ".", ":", "|", ",", ";",
    ]

    /// Tokens up to the tag's end, which is no end inside brackets.
    private mutating func readExpression(end: String, isBlock: Bool) throws(DamaError) {
        let start = line
        var brackets: [String] = []
        let endScalars = Array(end.unicodeScalars)
        while place < source.count {
            let scalar = source[place]
            if scalar.isPythonSpace {
                advance(to: place + 1)
                continue
            }
            if brackets.isEmpty {
                let hasSign = scalar == "-" || (isBlock && scalar == "+")
                let index = place + (hasSign ? 1 : 0)
                if index + 1 < source.count, source[index] == endScalars[0], source[index + 1] == endScalars[1] {
                    emit(isBlock ? .blockEnd : .variableEnd)
                    advance(to: index + 2)
                    skipAfterTag(sign: hasSign ? scalar : nil, isBlock: isBlock)
                    return
                }
            }
            if scalar.isNameStart {
                readName()
            } else if scalar.isDigit {
                try readNumber()
            } else if scalar == "'" || scalar == "\"" {
                try readString(scalar)
            } else if let symbol = Self.symbols.first(where: { starts(with: $0) }) {
                switch symbol {
                case "(", "[", "{": brackets.append(symbol)
                case ")", "]", "}":
                    let opening = [")": "(", "]": "[", "}": "{"][symbol]
                    guard let open = brackets.popLast(), open == opening else {
                        throw TemplateError.syntax("unexpected '\(symbol)'", line: line)
                    }
                default: break
                }
                emit(.symbol(symbol))
                advance(to: place + symbol.unicodeScalars.count)
            } else {
                throw TemplateError.syntax("unexpected character '\(scalar)'", line: line)
            }
        }
        throw TemplateError.syntax("a tag does not end with \(end)", line: start)
    }

    private func starts(with symbol: String) -> Bool { source[place...].starts(with: symbol.unicodeScalars) }

    private mutating func readName() {
        let end =
            source[place...].firstIndex { !$0.isNameStart && !$0.isDigit && !$0.properties.isXIDContinue }
            ?? source.count
        emit(.name(Text(source[place..<end]).string))
        advance(to: end)
    }

    private mutating func readNumber() throws(DamaError) {
        func digits(from start: Int) -> Int {
            var index = start
            while index < source.count,
                source[index].isDigit
                    || (source[index] == "_" && index + 1 < source.count && source[index + 1].isDigit && index > start)
            { index += 1 }
            return index
        }
        if let radix = radix() {
            let start = place + 2
            let end = source[start...].firstIndex { $0 != "_" && !$0.properties.isASCIIHexDigit } ?? source.count
            let text = Text(source[start..<end].filter { $0 != "_" }).string
            guard let value = Int(text, radix: radix) else {
                throw TemplateError.syntax("the number 0\(source[place + 1])\(text) cannot be read", line: line)
            }
            emit(.int(value))
            advance(to: end)
            return
        }
        var end = digits(from: place)
        var isFloat = false
        if end + 1 < source.count, source[end] == ".", source[end + 1].isDigit {
            end = digits(from: end + 1)
            isFloat = true
        }
        if end < source.count, source[end] == "e" || source[end] == "E" {
            var index = end + 1
            if index < source.count, source[index] == "+" || source[index] == "-" { index += 1 }
            if index < source.count, source[index].isDigit {
                end = digits(from: index)
                isFloat = true
            }
        }
        let text = String(Text(source[place..<end].filter { $0 != "_" }).string)
        if isFloat, let value = Double(text) {
            emit(.float(value))
        } else if !isFloat, let value = Int(text) {
            emit(.int(value))
        } else {
            throw TemplateError.syntax("the number \(text) is too large", line: line)
        }
        advance(to: end)
    }

    /// 16, 8 or 2 before a number such as `0x1F`.
    private func radix() -> Int? {
        guard place + 1 < source.count, source[place] == "0" else { return nil }
        return ["x": 16, "X": 16, "o": 8, "O": 8, "b": 2, "B": 2][source[place + 1]]
    }

    private mutating func readString(_ quote: Unicode.Scalar) throws(DamaError) {
        let start = line
        var index = place + 1
        var text: [Unicode.Scalar] = []
        while index < source.count {
            let scalar = source[index]
            if scalar == quote {
                emit(.string(Text(text)))
                advance(to: index + 1)
                return
            }
            if scalar == "\\" {
                index = try StringEscape.read(source, at: index + 1, into: &text, line: start)
            } else {
                text.append(scalar)
                index += 1
            }
        }
        throw TemplateError.syntax("a string does not end", line: start)
    }

    // MARK: Places

    private mutating func emit(_ token: Token) { tokens.append(PlacedToken(token: token, line: line)) }

    private mutating func advance(to end: Int) {
        guard end > place else { return }
        line += source[place..<end].count { $0 == "\n" }
        isLineStart = source[end - 1] == "\n"
        place = end
    }
}

/// Escapes in a string literal, as Python's `unicode-escape` reads them.
enum StringEscape {
    /// Reads what follows a backslash; the place behind it.
    static func read(
        _ source: [Unicode.Scalar], at place: Int, into text: inout [Unicode.Scalar], line: Int
    ) throws(DamaError) -> Int {
        guard place < source.count else { return place }
        let scalar = source[place]
        switch scalar {
        case "\n": return place + 1
        case "\\", "'", "\"": text.append(scalar)
        case "a": text.append("\u{07}")
        case "b": text.append("\u{08}")
        case "f": text.append("\u{0C}")
        case "n": text.append("\n")
        case "r": text.append("\r")
        case "t": text.append("\t")
        case "v": text.append("\u{0B}")
        case "x": return try code(source, place + 1, digits: 2, radix: 16, into: &text, line)
        case "u": return try code(source, place + 1, digits: 4, radix: 16, into: &text, line)
        case "U": return try code(source, place + 1, digits: 8, radix: 16, into: &text, line)
        case "0"..."7":
            let digits = source[place...].prefix(3).prefix { ("0"..."7").contains($0) }.count
            return try code(source, place, digits: digits, radix: 8, into: &text, line)
        default: text += ["\\", scalar]
        }
        return place + 1
    }

    private static func code(
        _ source: [Unicode.Scalar], _ start: Int, digits: Int, radix: Int, into text: inout [Unicode.Scalar],
        _ line: Int
    ) throws(DamaError) -> Int {
        let part = source[min(start, source.count)...].prefix(digits)
        guard part.count == digits, let value = UInt32(Text(part).string, radix: radix),
            let scalar = Unicode.Scalar(value)
        else { throw TemplateError.syntax("a string holds an escape that is no character", line: line) }
        text.append(scalar)
        return start + digits
    }
}

extension Unicode.Scalar {
    var isDigit: Bool { ("0"..."9").contains(self) }
    var isNameStart: Bool { self == "_" || properties.isXIDStart }
}
