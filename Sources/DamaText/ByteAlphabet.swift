/// GPT-2's alphabet: a printable character for each of the 256 bytes, so that vocabularies are text.
enum ByteAlphabet {
    /// The character of each byte: printable Latin-1 maps to itself, the others follow from U+0100 on.
    static let scalars: [Unicode.Scalar] = {
        var unprintable: UInt32 = 0x100
        return (UInt8.min...UInt8.max).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(byte)
            default:
                defer { unprintable += 1 }
                return Unicode.Scalar(unprintable) ?? " "
            }
        }
    }()

    /// The byte of each character below U+0200; -1 if there is none.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 0x200)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = Int16(byte) }
        return bytes
    }()

    /// The text's UTF-8, one character for each byte.
    static func encode(_ text: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
        let table = scalars
        var encoded: [Unicode.Scalar] = []
        encoded.reserveCapacity(text.count)
        for scalar in text {
            if scalar.value < 0x80 {
                encoded.append(table[Int(scalar.value)])
            } else {
                for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { encoded.append(table[Int(byte)]) }
            }
        }
        return encoded
    }

    /// The bytes of `token`; if it contains a character outside the alphabet, the token's own UTF-8.
    static func decode(_ token: String) -> [UInt8] {
        let table = bytes
        var decoded: [UInt8] = []
        for scalar in token.unicodeScalars {
            guard scalar.value < 0x200, table[Int(scalar.value)] >= 0 else { return Array(token.utf8) }
            decoded.append(UInt8(table[Int(scalar.value)]))
        }
        return decoded
    }
}
