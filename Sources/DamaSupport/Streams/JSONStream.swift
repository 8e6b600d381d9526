/// Reads JSON texts of any size from front to back, and keeps only what is asked for.
///
/// ```swift
/// var stream = JSONStream(try FileBytes(path: path), name: path)
/// try stream.object { stream, key throws(DamaError) in
///     guard key == "annotations" else { return }
///     try stream.array { stream throws(DamaError) in ids.append(try stream.integer()) }
/// }
/// try stream.end()
/// ```
///
/// What a closure does not read is skipped. Skipped values are checked as those that are read: the same texts are
/// accepted as by ``JSON/init(parsing:numbers:)`` with ``JSON/Numbers/asWritten``. Memory is that of one piece of the
/// source, and of the value that is being read.
package struct JSONStream: ~Copyable {
    private let source: any ByteSource
    private let name: String
    private var piece: [UInt8] = []
    private var position = 0
    /// Bytes of the pieces before this one.
    private var before = 0
    private var hasBegun = false
    private var depth = 0
    /// Whether the value that a closure was called for has not been read.
    private var isPending = false

    /// Where the value that is kept begins in the piece; `nil` if none is kept.
    private var keptFrom: Int?
    /// Its bytes of earlier pieces.
    private var kept: [UInt8] = []
    private var keptLimit = 0

    /// - Parameter name: What is read, for messages; usually a path.
    package init(_ source: any ByteSource, name: String) {
        self.source = source
        self.name = name
    }

    /// The number of bytes that have been read.
    package var offset: Int { before + position }

    // MARK: Structure

    /// Reads an object.
    ///
    /// - Parameter member: Called for each member with its key; it reads the value or leaves it.
    package mutating func object(
        _ member: (inout JSONStream, String) throws(DamaError) -> Void
    ) throws(DamaError) {
        try open("{", "an object")
        if try take("}") { return close() }
        while true {
            try skipSpace()
            guard try peek() == UInt8(ascii: "\"") else { throw failure("expected a key in quotes") }
            let key = try text(limit: 1 << 16)
            try skipSpace()
            guard try take(":") else { throw failure("expected ':' after the key") }
            isPending = true
            try member(&self, key)
            if isPending { try skip() }
            try skipSpace()
            if try take(",") { continue }
            guard try take("}") else { throw failure("expected ',' or '}'") }
            return close()
        }
    }

    /// Reads an array.
    ///
    /// - Parameter element: Called for each element, which it reads or leaves.
    package mutating func array(_ element: (inout JSONStream) throws(DamaError) -> Void) throws(DamaError) {
        try open("[", "an array")
        if try take("]") { return close() }
        while true {
            isPending = true
            try element(&self)
            if isPending { try skip() }
            try skipSpace()
            if try take(",") { continue }
            guard try take("]") else { throw failure("expected ',' or ']'") }
            return close()
        }
    }

    private mutating func open(_ bracket: Unicode.Scalar, _ kind: StaticString) throws(DamaError) {
        isPending = false
        try skipSpace()
        guard try take(bracket) else { throw failure("expected \(kind)") }
        try checkDepth(0)
        depth += 1
        try skipSpace()
    }

    private mutating func close() {
        depth -= 1
        isPending = false
    }

    /// Whether nothing but white space follows.
    package mutating func isAtEnd() throws(DamaError) -> Bool {
        try skipSpace()
        return try peek() == nil
    }

    /// - Throws: ``DamaError/Code/model`` if anything but white space follows.
    package mutating func end() throws(DamaError) {
        guard try isAtEnd() else { throw failure("expected the end of the text") }
    }

    // MARK: Values

    /// The next value, whole.
    ///
    /// - Parameter limit: The most bytes that it may have.
    /// - Throws: ``DamaError/Code/outOfMemory`` above the limit; ``DamaError/Code/model`` for what is not JSON.
    package mutating func value(limit: Int = 1 << 20) throws(DamaError) -> JSON {
        isPending = false
        try skipSpace()
        let start = offset
        let bytes = try keeping(limit) { stream throws(DamaError) in _ = try stream.scanValue() }
        do throws(DamaError) {
            return try JSON(parsing: bytes, numbers: .asWritten)
        } catch {
            throw DamaError(error.code, "\(name): the value at byte \(start): \(error.message)")
        }
    }

    /// The next value, which must be a string.
    package mutating func string(limit: Int = 1 << 20) throws(DamaError) -> String {
        isPending = false
        try skipSpace()
        guard try peek() == UInt8(ascii: "\"") else { throw failure("expected a string") }
        return try text(limit: limit)
    }

    /// The next value, which must be an integer of 64 bits.
    package mutating func integer() throws(DamaError) -> Int {
        isPending = false
        try skipSpace()
        let start = offset
        guard let first = try peek(), first == UInt8(ascii: "-") || isDigit(first) else {
            throw failure("expected an integer")
        }
        let bytes = try keeping(1 << 10) { stream throws(DamaError) in try stream.scanNumber() }
        if bytes.count <= 18, bytes.allSatisfy(isDigit) {
            return bytes.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        }
        guard let value = try JSON(parsing: bytes, numbers: .asWritten).int else {
            throw failure("expected an integer of 64 bits", at: start)
        }
        return value
    }

    /// Reads the next value and drops it.
    package mutating func skip() throws(DamaError) {
        isPending = false
        try skipSpace()
        try scanValue()
    }

    /// The string at whose opening quote the stream stands.
    private mutating func text(limit: Int) throws(DamaError) -> String {
        let start = offset
        var isPlain = true
        let bytes = try keeping(limit) { stream throws(DamaError) in isPlain = try stream.scanString() }
        if isPlain { return String(decoding: bytes[1..<(bytes.count - 1)], as: UTF8.self) }
        guard let text = try JSON(parsing: bytes).string else { throw failure("expected a string", at: start) }
        return text
    }

    private mutating func keeping(
        _ limit: Int, _ scan: (inout JSONStream) throws(DamaError) -> Void
    ) throws(DamaError) -> [UInt8] {
        kept = []
        keptLimit = limit
        keptFrom = position
        try scan(&self)
        try keep(to: position)
        keptFrom = nil
        defer { kept = [] }
        return kept
    }

    private mutating func keep(to end: Int) throws(DamaError) {
        guard let start = keptFrom else { return }
        guard kept.count + (end - start) <= keptLimit else {
            throw .outOfMemory("\(name): the value before byte \(before + end) has more than \(keptLimit) bytes")
        }
        kept += piece[start..<end]
        keptFrom = 0
    }

    // MARK: Scanning

    /// Passes a value. Nesting takes no stack: the open brackets are held in an array.
    private mutating func scanValue() throws(DamaError) {
        var isObject: [Bool] = []
        while true {
            try skipSpace()
            try checkDepth(isObject.count)
            switch try peek() {
            case UInt8(ascii: "{"):
                position += 1
                isObject.append(true)
                try skipSpace()
                if try peek() != UInt8(ascii: "}") {
                    try scanKey()
                    continue
                }
            case UInt8(ascii: "["):
                position += 1
                isObject.append(false)
                try skipSpace()
                if try peek() != UInt8(ascii: "]") { continue }
            case UInt8(ascii: "\""): try scanString()
            case UInt8(ascii: "t"): try scanWord("true")
            case UInt8(ascii: "f"): try scanWord("false")
            case UInt8(ascii: "n"): try scanWord("null")
            case UInt8(ascii: "N"): try scanWord("NaN")
            case UInt8(ascii: "I"): try scanWord("Infinity")
            case .some(UInt8(ascii: "-")), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): try scanNumber()
            default: throw failure("expected a value")
            }
            // A value has ended: those that end with it, too.
            while let inObject = isObject.last {
                try skipSpace()
                if try take(",") {
                    if inObject {
                        try skipSpace()
                        try scanKey()
                    }
                    break
                }
                guard try take(inObject ? "}" : "]") else {
                    throw failure(inObject ? "expected ',' or '}'" : "expected ',' or ']'")
                }
                isObject.removeLast()
            }
            if isObject.isEmpty { return }
        }
    }

    private func checkDepth(_ more: Int) throws(DamaError) {
        guard depth + more < JSON.maximumDepth else {
            throw failure("nested deeper than \(JSON.maximumDepth) levels")
        }
    }

    private mutating func scanKey() throws(DamaError) {
        guard try peek() == UInt8(ascii: "\"") else { throw failure("expected a key in quotes") }
        try scanString()
        try skipSpace()
        guard try take(":") else { throw failure("expected ':' after the key") }
    }

    private mutating func scanNumber() throws(DamaError) {
        if try take("-"), try peek() == UInt8(ascii: "I") { return try scanWord("Infinity") }
        if try !take("0") {
            guard try scanDigits() else { throw failure("expected a digit") }
        }
        if try take(".") {
            guard try scanDigits() else { throw failure("expected a digit after the decimal point") }
        }
        let next = try peek()
        guard next == UInt8(ascii: "e") || next == UInt8(ascii: "E") else { return }
        position += 1
        if try !take("+") { _ = try take("-") }
        guard try scanDigits() else { throw failure("expected a digit in the exponent") }
    }

    private mutating func scanDigits() throws(DamaError) -> Bool {
        guard let first = try peek(), isDigit(first) else { return false }
        while let byte = try peek(), isDigit(byte) { position += 1 }
        return true
    }

    private mutating func scanWord(_ word: StaticString) throws(DamaError) {
        for index in 0..<word.utf8CodeUnitCount {
            guard try peek() == word.utf8Start[index] else { throw failure("expected \(word)") }
            position += 1
        }
    }

    /// Passes a string with its quotes. True if its bytes are its characters: ASCII without escapes.
    @discardableResult
    private mutating func scanString() throws(DamaError) -> Bool {
        let start = offset
        position += 1
        var isPlain = true
        while let byte = try peek() {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return isPlain
            case UInt8(ascii: "\\"):
                isPlain = false
                try scanEscape()
            case 0..<0x20: throw failure("control character in a string; write it as an escape")
            case 0..<0x80: position += 1
            default:
                isPlain = false
                try scanCharacter(byte, of: start)
            }
        }
        throw failure("string without its closing quote", at: start)
    }

    private mutating func scanEscape() throws(DamaError) {
        let start = offset
        position += 1
        guard let letter = try peek() else { throw failure("text ends inside an escape") }
        position += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return
        case UInt8(ascii: "u"):
            for _ in 0..<4 {
                guard let byte = try peek(), isDigit(byte) || (0x61...0x66).contains(byte | 0x20) else {
                    throw failure("expected four hexadecimal digits")
                }
                position += 1
            }
        default: throw failure("unknown escape", at: start)
        }
    }

    /// Passes a character of several bytes (The Unicode Standard, table 3-7).
    private mutating func scanCharacter(_ lead: UInt8, of string: Int) throws(DamaError) {
        let second: ClosedRange<UInt8>
        switch lead {
        case 0xE0: second = 0xA0...0xBF
        case 0xED: second = 0x80...0x9F
        case 0xF0: second = 0x90...0xBF
        case 0xF4: second = 0x80...0x8F
        default: second = 0x80...0xBF
        }
        guard (0xC2...0xF4).contains(lead) else { throw failure("string is not valid UTF-8", at: string) }
        position += 1
        for index in 1...(lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3) {
            guard let byte = try peek(), index == 1 ? second.contains(byte) : (0x80...0xBF).contains(byte) else {
                throw failure("string is not valid UTF-8", at: string)
            }
            position += 1
        }
    }

    // MARK: Bytes

    @inline(__always)
    private mutating func peek() throws(DamaError) -> UInt8? {
        if position < piece.count { return piece[position] }
        return try refill() ? piece[position] : nil
    }

    /// False at the end.
    @inline(never)
    private mutating func refill() throws(DamaError) -> Bool {
        try keep(to: position)
        before += position
        position = 0
        piece = try source.next()
        if !hasBegun {
            hasBegun = true
            // A byte order mark is not JSON, but editors write it.
            while piece.count < 3, piece.elementsEqual([0xEF, 0xBB, 0xBF].prefix(piece.count)) {
                let more = try source.next()
                if more.isEmpty { break }
                piece += more
            }
            if piece.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
            if keptFrom != nil { keptFrom = position }
        }
        return position < piece.count ? true : piece.isEmpty ? false : try refill()
    }

    @inline(__always)
    private mutating func take(_ character: Unicode.Scalar) throws(DamaError) -> Bool {
        guard try peek() == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    @inline(__always)
    private mutating func skipSpace() throws(DamaError) {
        while let byte = try peek(), byte <= 0x20 {
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            position += 1
        }
    }

    private func failure(_ what: String, at offset: Int? = nil) -> DamaError {
        .model("\(name): not valid JSON at byte \(offset ?? self.offset): \(what)")
    }
}

@inline(__always)
private func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }
