extension JSON {
    /// Deeper nesting is rejected, so that hostile input cannot exhaust the stack.
    package static let maximumDepth = 128

    /// How numbers are read.
    package enum Numbers: Sendable {
        /// As values. A number that is not finite is an error.
        case values
        /// Numbers whose text would not be reproduced become ``JSON/number(_:)``, so that `1e3`, `1.50` and
        /// `1.0000000000000000001` are kept as written. Numbers beyond the range of a double (`1e400`) and Python's
        /// `NaN`, `Infinity` and `-Infinity` are accepted as well; reading such a field as a number fails.
        case asWritten
    }

    /// Parses one JSON text; anything but white space after the value is an error.
    ///
    /// - Throws: ``DamaError/Code/model`` naming the byte offset and what was expected there.
    package init(parsing text: String) throws(DamaError) {
        self = try Self.parse(bytes: Array(text.utf8))
    }

    /// Parses one JSON text from UTF-8 bytes. See ``init(parsing:)``.
    package init(parsing bytes: some Sequence<UInt8>, numbers: Numbers = .values) throws(DamaError) {
        self = try Self.parse(bytes: Array(bytes), numbers)
    }

    /// Parses one JSON text from UTF-8 bytes, which must stay valid during the call. See ``init(parsing:)``.
    package init(parsing buffer: UnsafeRawBufferPointer) throws(DamaError) {
        var parser = JSONParser(bytes: buffer.bindMemory(to: UInt8.self), numbers: .values)
        self = try parser.parseDocument()
    }

    private static func parse(bytes: [UInt8], _ numbers: Numbers = .values) throws(DamaError) -> JSON {
        var result: Result<JSON, DamaError> = .success(.null)
        bytes.withUnsafeBufferPointer { buffer in
            var parser = JSONParser(bytes: buffer, numbers: numbers)
            do throws(DamaError) {
                result = .success(try parser.parseDocument())
            } catch {
                result = .failure(error)
            }
        }
        return try result.get()
    }
}

private struct JSONParser {
    let bytes: UnsafeBufferPointer<UInt8>
    let numbers: JSON.Numbers
    var position = 0

    init(bytes: UnsafeBufferPointer<UInt8>, numbers: JSON.Numbers) {
        self.bytes = bytes
        self.numbers = numbers
    }

    mutating func parseDocument() throws(DamaError) -> JSON {
        // A byte order mark is not JSON, but editors write it.
        if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { position = 3 }
        let value = try parseValue(depth: 0)
        skipSpace()
        guard position == bytes.count else { throw failure("expected the end of the text") }
        return value
    }

    // MARK: Values

    private mutating func parseValue(depth: Int) throws(DamaError) -> JSON {
        guard depth < JSON.maximumDepth else {
            throw failure("nested deeper than \(JSON.maximumDepth) levels")
        }
        skipSpace()
        switch peek() {
        case UInt8(ascii: "{"): return .object(try parseObject(depth: depth))
        case UInt8(ascii: "["): return .array(try parseArray(depth: depth))
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        case UInt8(ascii: "N") where numbers == .asWritten: return try parseWord("NaN", .number("NaN"))
        case UInt8(ascii: "I") where numbers == .asWritten: return try parseWord("Infinity", .number("Infinity"))
        case .some(UInt8(ascii: "-")), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): return try parseNumber()
        default: throw failure("expected a value")
        }
    }

    private mutating func parseObject(depth: Int) throws(DamaError) -> JSONObject {
        position += 1
        var members: [JSONObject.Member] = []
        skipSpace()
        if take("}") { return JSONObject() }
        while true {
            skipSpace()
            guard peek() == UInt8(ascii: "\"") else { throw failure("expected a key in quotes") }
            let key = try parseString()
            skipSpace()
            guard take(":") else { throw failure("expected ':' after the key") }
            members.append((key: key, value: try parseValue(depth: depth + 1)))
            skipSpace()
            if take(",") { continue }
            guard take("}") else { throw failure("expected ',' or '}'") }
            return JSONObject(members)
        }
    }

    private mutating func parseArray(depth: Int) throws(DamaError) -> [JSON] {
        position += 1
        var elements: [JSON] = []
        skipSpace()
        if take("]") { return elements }
        while true {
            elements.append(try parseValue(depth: depth + 1))
            skipSpace()
            if take(",") { continue }
            guard take("]") else { throw failure("expected ',' or ']'") }
            return elements
        }
    }

    private mutating func parseWord(_ word: StaticString, _ value: JSON) throws(DamaError) -> JSON {
        let length = word.utf8CodeUnitCount
        guard bytes.count - position >= length,
            (0..<length).allSatisfy({ bytes[position + $0] == word.utf8Start[$0] })
        else { throw failure("expected \(word)") }
        position += length
        return value
    }

    private mutating func parseNumber() throws(DamaError) -> JSON {
        let start = position
        var isInteger = true
        if take("-"), numbers == .asWritten, peek() == UInt8(ascii: "I") {
            return try parseWord("Infinity", .number("-Infinity"))
        }
        if take("0") {
            // No digit may follow a leading zero; the caller finds it and reports it.
        } else {
            guard skipDigits() else { throw failure("expected a digit") }
        }
        if take(".") {
            isInteger = false
            guard skipDigits() else { throw failure("expected a digit after the decimal point") }
        }
        if take("e") || take("E") {
            isInteger = false
            if !take("+") { _ = take("-") }
            guard skipDigits() else { throw failure("expected a digit in the exponent") }
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        let asWritten = numbers == .asWritten
        if isInteger, let value = Int64(text), !asWritten || String(value) == text { return .int(value) }
        guard let value = Double(text), value.isFinite else {
            guard asWritten else { throw failure("number \(text.prefix(40)) is out of range", at: start) }
            return .number(text)
        }
        return isInteger || asWritten && value.description != text ? .number(text) : .double(value)
    }

    // MARK: Strings

    private mutating func parseString() throws(DamaError) -> String {
        position += 1
        let start = position
        var isPlainASCII = true
        // Most strings contain no escapes: find the end first and copy once.
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                let content = bytes[start..<position]
                position += 1
                return try decode(content, isPlainASCII: isPlainASCII, at: start)
            }
            if byte == UInt8(ascii: "\\") { break }
            guard byte >= 0x20 else { throw failure("control character in a string; write it as an escape") }
            if byte >= 0x80 { isPlainASCII = false }
            position += 1
        }
        var content = Array(bytes[start..<position])
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return try decode(content[...], isPlainASCII: false, at: start)
            case UInt8(ascii: "\\"):
                position += 1
                try parseEscape(into: &content)
            case 0..<0x20:
                throw failure("control character in a string; write it as an escape")
            default:
                content.append(byte)
                position += 1
            }
        }
        throw failure("string without its closing quote", at: start)
    }

    private func decode(
        _ content: some Collection<UInt8>, isPlainASCII: Bool, at offset: Int
    ) throws(DamaError) -> String {
        if isPlainASCII { return String(decoding: content, as: UTF8.self) }
        guard let text = String(validating: content, as: UTF8.self) else {
            throw failure("string is not valid UTF-8", at: offset)
        }
        return text
    }

    private mutating func parseEscape(into content: inout [UInt8]) throws(DamaError) {
        guard let letter = peek() else { throw failure("text ends inside an escape") }
        position += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(letter)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"):
            var code = try parseHex4()
            if (0xD800..<0xDC00).contains(code), position + 1 < bytes.count,
                bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
            {
                let mark = position
                position += 2
                let low = try parseHex4()
                if (0xDC00..<0xE000).contains(low) {
                    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
                } else {
                    position = mark
                }
            }
            // Half a surrogate pair is not a character.
            let scalar = Unicode.Scalar(code) ?? "\u{FFFD}"
            content.append(contentsOf: UTF8.encode(scalar)!)
        default:
            throw failure("unknown escape", at: position - 2)
        }
    }

    private mutating func parseHex4() throws(DamaError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw failure("expected four hexadecimal digits")
            }
            code = code << 4 | UInt32(digit)
            position += 1
        }
        return code
    }

    // MARK: Bytes

    private func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func skipDigits() -> Bool {
        let start = position
        while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
        return position > start
    }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    private func failure(_ what: String, at offset: Int? = nil) -> DamaError {
        .model("not valid JSON at byte \(offset ?? position): \(what)")
    }
}
