import DamaSupport

/// Single characters, escapes and classes `[…]`.
extension PatternParser {
    enum Escape {
        case item(ScalarSet.Item)
        case literal(Unicode.Scalar)
    }

    func set(_ items: [ScalarSet.Item], isNegated: Bool = false) -> ScalarSet {
        ScalarSet(items, isNegated: isNegated, ignoresCase: ignoresCase)
    }

    func literalSet(_ scalar: Unicode.Scalar) throws(DamaError) -> ScalarSet {
        if ignoresCase, scalar.value >= 0x80 { throw reader.unsupported("case-insensitive '\(scalar)'") }
        return set([.range(scalar.value...scalar.value)])
    }

    mutating func parseEscape() throws(DamaError) -> Escape {
        guard let scalar = reader.advance() else { throw reader.malformed("'\\' at the end of the pattern") }
        switch scalar {
        case "s", "S": return .item(.space(negated: scalar == "S"))
        case "d", "D": return .item(.categories(CategorySet(.decimalNumber), negated: scalar == "D"))
        case "w", "W": return .item(.categories(.word, negated: scalar == "W"))
        case "p", "P":
            guard reader.take("{") else { throw reader.unsupported("'\\\(scalar)' without a name in braces") }
            let inverted = reader.take("^")
            var name = ""
            while let next = reader.peek(), next != "}" {
                name.unicodeScalars.append(next)
                reader.position += 1
            }
            guard reader.take("}") else { throw reader.malformed("'}' is missing after '\\\(scalar){'") }
            guard let categories = CategorySet(name: name) else {
                throw reader.unsupported(
                    "the property '\(name)' (unlike general categories such as L, Lu, N, Nd, P, S)")
            }
            return .item(.categories(categories, negated: (scalar == "P") != inverted))
        case "r": return .literal("\r")
        case "n": return .literal("\n")
        case "t": return .literal("\t")
        case "f": return .literal("\u{0C}")
        case "v": return .literal("\u{0B}")
        case "u": return .literal(try parseHexadecimal(digits: 4))
        case "x":
            if reader.take("{") {
                let value = try parseHexadecimal(digits: nil)
                guard reader.take("}") else { throw reader.malformed("'}' is missing after '\\x{'") }
                return .literal(value)
            }
            let value = try parseHexadecimal(digits: 2)
            guard value.value < 0x80 else { throw reader.unsupported("'\\x' with a byte beyond ASCII") }
            return .literal(value)
        default:
            guard scalar.value < 0x80, !scalar.properties.isAlphabetic, !UnicodeClass.isNumeric(scalar) else {
                throw reader.unsupported("the escape '\\\(scalar)'")
            }
            return .literal(scalar)
        }
    }

    private mutating func parseHexadecimal(digits: Int?) throws(DamaError) -> Unicode.Scalar {
        var value: UInt32 = 0
        var count = 0
        while count < digits ?? 6, let next = reader.peek(), let digit = Character(next).hexDigitValue {
            value = value << 4 | UInt32(digit)
            count += 1
            reader.position += 1
        }
        guard count > 0, digits == nil || count == digits, let scalar = Unicode.Scalar(value) else {
            throw reader.malformed("an invalid hexadecimal escape")
        }
        return scalar
    }

    mutating func parseClass() throws(DamaError) -> ScalarSet {
        let isNegated = reader.take("^")
        if isNegated, ignoresCase { throw reader.unsupported("a case-insensitive negated class") }
        var items: [ScalarSet.Item] = []
        while true {
            guard let scalar = reader.advance() else { throw reader.malformed("a class without a closing ']'") }
            if scalar == "]" {
                guard !items.isEmpty else {
                    throw reader.unsupported("an empty class or ']' first in a class (write \\])")
                }
                return set(items, isNegated: isNegated)
            }
            guard let lower = try parseClassMember(scalar, into: &items) else { continue }
            guard reader.peek() == "-", reader.position + 1 < reader.scalars.count,
                reader.scalars[reader.position + 1] != "]"
            else {
                items.append(.range(lower.value...lower.value))
                continue
            }
            reader.position += 1
            guard let next = reader.advance() else { throw reader.malformed("a class without a closing ']'") }
            var ignored: [ScalarSet.Item] = []
            guard let upper = try parseClassMember(next, into: &ignored) else {
                throw reader.unsupported("a range that ends in a class")
            }
            guard lower.value <= upper.value else { throw reader.malformed("the range '\(lower)-\(upper)' is empty") }
            items.append(.range(lower.value...upper.value))
        }
    }

    /// One member: a character, which is returned, or an escape such as `\s`, which is added to `items`.
    private mutating func parseClassMember(
        _ scalar: Unicode.Scalar, into items: inout [ScalarSet.Item]
    ) throws(DamaError) -> Unicode.Scalar? {
        switch scalar {
        case "[": throw reader.unsupported("a class inside a class (write \\[ for the character)")
        case "&" where reader.peek() == "&": throw reader.unsupported("'&&' in a class")
        case "\\":
            switch try parseEscape() {
            case .literal(let literal): return try checkedForCase(literal)
            case .item(let item):
                items.append(item)
                return nil
            }
        default: return try checkedForCase(scalar)
        }
    }

    private func checkedForCase(_ scalar: Unicode.Scalar) throws(DamaError) -> Unicode.Scalar {
        if ignoresCase, scalar.value >= 0x80 { throw reader.unsupported("case-insensitive '\(scalar)'") }
        return scalar
    }
}
