import DamaSupport

/// String literals of Python source, as prompts stand in the official scripts.
enum PythonLiteral {
    /// The value of the literal that begins at byte `offset`: `'…'`, `"…"`, `'''…'''` or `"""…"""`, with or without `r`
    /// or `u` before it (The Python Language Reference, 2.4.1).
    ///
    /// - Throws: ``DamaError/Code/model`` if no such literal is there, if it does not end, or if an escape is wrong or
    ///   names a character (`\N{…}`).
    static func string(in source: [UInt8], at offset: Int) throws(DamaError) -> String {
        var reader = Reader(bytes: source[...].dropFirst(max(0, offset)))
        return try reader.literal()
    }

    private struct Reader {
        var bytes: ArraySlice<UInt8>

        mutating func literal() throws(DamaError) -> String {
            var isRaw = false
            if let prefix = bytes.first, "rRuU".utf8.contains(prefix) {
                isRaw = prefix | 0x20 == UInt8(ascii: "r")
                bytes.removeFirst()
            }
            guard let quote = bytes.first, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
                throw .model("expected a string literal of Python")
            }
            let isLong = bytes.starts(with: [quote, quote, quote])
            let end = [UInt8](repeating: quote, count: isLong ? 3 : 1)
            bytes = bytes.dropFirst(end.count)
            var value: [UInt8] = []
            while !bytes.starts(with: end) {
                guard let byte = bytes.popFirst() else { throw .model("a string literal of Python does not end") }
                switch byte {
                case UInt8(ascii: "\\"):
                    if isRaw {
                        value.append(byte)
                        // A raw string keeps the backslash, and the quote after it does not end the string.
                        if let next = bytes.popFirst() { value += lineBreak(next) ?? [next] }
                    } else {
                        try escape(into: &value)
                    }
                case UInt8(ascii: "\r"), UInt8(ascii: "\n"):
                    guard isLong else { throw .model("a string literal of Python ends at a line break") }
                    value += lineBreak(byte) ?? []
                default: value.append(byte)
                }
            }
            guard let text = String(validating: value, as: UTF8.self) else {
                throw .model("a string literal of Python is not valid UTF-8")
            }
            return text
        }

        /// Python reads every line break as one line feed. Drops the second byte of CR LF; `nil` for another byte.
        private mutating func lineBreak(_ byte: UInt8) -> [UInt8]? {
            if byte == UInt8(ascii: "\r"), bytes.first == UInt8(ascii: "\n") { bytes.removeFirst() }
            return byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\n") ? [UInt8(ascii: "\n")] : nil
        }

        private mutating func escape(into value: inout [UInt8]) throws(DamaError) {
            guard let byte = bytes.popFirst() else { throw .model("a string literal of Python does not end") }
            if lineBreak(byte) != nil { return }
            switch byte {
            case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): value.append(byte)
            case UInt8(ascii: "a"): value.append(7)
            case UInt8(ascii: "b"): value.append(8)
            case UInt8(ascii: "f"): value.append(12)
            case UInt8(ascii: "n"): value.append(10)
            case UInt8(ascii: "r"): value.append(13)
            case UInt8(ascii: "t"): value.append(9)
            case UInt8(ascii: "v"): value.append(11)
            case UInt8(ascii: "x"): try append(digits: 2, to: &value)
            case UInt8(ascii: "u"): try append(digits: 4, to: &value)
            case UInt8(ascii: "U"): try append(digits: 8, to: &value)
            case UInt8(ascii: "N"): throw .model("a string literal of Python has \\N, which is not supported")
            case UInt8(ascii: "0")...UInt8(ascii: "7"):
                let more = bytes.prefix(2).prefix { (0x30...0x37).contains($0) }
                bytes = bytes.dropFirst(more.count)
                try append([byte] + more, base: 8, to: &value)
            default: value += [UInt8(ascii: "\\"), byte]
            }
        }

        private mutating func append(digits count: Int, to value: inout [UInt8]) throws(DamaError) {
            let digits = Array(bytes.prefix(count))
            bytes = bytes.dropFirst(count)
            try append(digits.count == count ? digits : [], base: 16, to: &value)
        }

        private func append(_ digits: [UInt8], base: Int, to value: inout [UInt8]) throws(DamaError) {
            let isNumber = digits.allSatisfy { Unicode.Scalar($0).properties.isASCIIHexDigit }
            let number = isNumber ? UInt32(String(decoding: digits, as: UTF8.self), radix: base) : nil
            guard let scalar = number.flatMap({ Unicode.Scalar($0) }) else {
                throw .model("a string literal of Python has an escape that is no character")
            }
            value += Array(String(Character(scalar)).utf8)
        }
    }
}
