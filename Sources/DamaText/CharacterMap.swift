import DamaSupport

/// SentencePiece's `precompiled_charsmap`: which strings normalisation replaces, and by what.
///
/// Its layout: the size of the tree in bytes (little-endian 32 bits), the tree (a double array of 32-bit units, as
/// Darts-clone writes it), then the replacements, each ended by a NUL. The tree maps a string's UTF-8 to the offset of
/// its replacement.
struct CharacterMap: Sendable {
    private let units: [UInt32]
    private let texts: [UInt8]
    /// The number of scalars of the longest replacement.
    let longest: Int

    /// - Throws: ``DamaError/Code/model`` if the sizes do not fit, or the replacements are not UTF-8.
    init(_ bytes: [UInt8]) throws(DamaError) {
        func unit(_ place: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[place + $1]) << UInt32(8 * $1) }
        }
        guard bytes.count >= 4 else { throw .model("the character map has \(bytes.count) bytes; its head has 4") }
        let size = Int(unit(0))
        guard size >= 4, size % 4 == 0, size <= bytes.count - 4 else {
            throw .model("the character map's tree has \(size) bytes, but \(bytes.count - 4) bytes follow its size")
        }
        units = (0..<size / 4).map { unit(4 + 4 * $0) }
        let tail = bytes[(4 + size)...]
        guard let text = String(validating: tail, as: UTF8.self) else {
            throw .model("the character map's replacements are not valid UTF-8")
        }
        texts = Array(tail)
        longest = text.unicodeScalars.split(separator: "\0").reduce(0) { max($0, $1.count) }
    }

    enum Choice { case shortest, longest }

    /// The shortest or longest key at the start of `text`: its length in bytes, and what replaces it.
    func match(_ text: ArraySlice<UInt8>, _ choice: Choice) -> (length: Int, replacement: ArraySlice<UInt8>)? {
        var found: (length: Int, offset: Int)?
        var node = Self.offset(units[0])
        for (index, byte) in text.enumerated() {
            // A NUL would be taken for the edge that leads to a value.
            if byte == 0 { break }
            node ^= Int(byte)
            guard node < units.count, units[node] & 0x8000_00FF == UInt32(byte) else { break }
            let unit = units[node]
            node ^= Self.offset(unit)
            guard unit >> 8 & 1 == 1 else { continue }
            guard node < units.count else { break }
            found = (index + 1, Int(units[node] & 0x7FFF_FFFF))
            if choice == .shortest { break }
        }
        guard let found, found.offset <= texts.count else { return nil }
        let rest = texts[found.offset...]
        return (found.length, rest[..<(rest.firstIndex(of: 0) ?? rest.endIndex)])
    }

    /// The distance from a node to its children, as Darts-clone packs it.
    private static func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 1 << 9) >> 6) }

    // MARK: - As in `tokenizers`

    /// The text normalised as by the `Precompiled` normalizer.
    ///
    /// It goes by grapheme clusters. A cluster of up to 5 bytes that begins with a key is replaced as a whole, by the
    /// replacement of the shortest such key; otherwise each of its characters is.
    func applyByGraphemes(to text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        result.reserveCapacity(text.count)
        for cluster in String(scalars: text) {
            let utf8 = Array(cluster.utf8)
            if utf8.count < 6, let match = match(utf8[...], .shortest) {
                result += String(decoding: match.replacement, as: UTF8.self).unicodeScalars
                continue
            }
            let scalars = cluster.unicodeScalars
            if scalars.count == 1 {
                result += scalars
                continue
            }
            for scalar in scalars {
                if let match = match(Array(UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)[...], .shortest) {
                    result += String(decoding: match.replacement, as: UTF8.self).unicodeScalars
                } else {
                    result.append(scalar)
                }
            }
        }
        return result
    }
}

extension CharacterMap {
    /// The `precompiled_charsmap` of a tokenizer.json, in base64; `nil` if it is empty.
    init?(_ field: JSONField) throws(DamaError) {
        guard let bytes = Base64.decode(try field.string().utf8) else { throw .model("\(field.path) is not base64") }
        if bytes.isEmpty { return nil }
        do {
            try self.init(bytes)
        } catch {
            throw DamaError(error.code, "\(field.path): \(error.message)")
        }
    }
}
