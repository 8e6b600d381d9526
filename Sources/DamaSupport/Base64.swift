/// Base64 (RFC 4648), as data files contain it.
package enum Base64 {
    /// The decoded bytes of `text`; `nil` if it contains other characters. White space is ignored, padding may be
    /// missing, and the URL-safe alphabet (`-` and `_`) is accepted as well.
    package static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        text.withContiguousStorageIfAvailable { decode(UnsafeRawBufferPointer($0)) }
            ?? Array(text).withUnsafeBytes { decode($0) }
    }

    private static func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        var isSound = true
        let bytes = [UInt8](unsafeUninitializedCapacity: text.count / 4 * 3 + 3) { target, written in
            var (bits, count, padding): (UInt32, Int, Int) = (0, 0, 0)
            for character in text {
                let value = values[Int(character)]
                guard value < 64, padding == 0 else {
                    if value == space { continue }
                    isSound = value == pad
                    guard isSound else { return }
                    padding += 1
                    continue
                }
                bits = bits << 6 | UInt32(value)
                count += 1
                guard count == 4 else { continue }
                target[written] = UInt8(truncatingIfNeeded: bits >> 16)
                target[written + 1] = UInt8(truncatingIfNeeded: bits >> 8)
                target[written + 2] = UInt8(truncatingIfNeeded: bits)
                written += 3
                (bits, count) = (0, 0)
            }
            switch count {
            case 0: isSound = padding == 0
            case 2 where padding == 0 || padding == 2:
                target[written] = UInt8(truncatingIfNeeded: bits >> 4)
                written += 1
            case 3 where padding <= 1:
                target[written] = UInt8(truncatingIfNeeded: bits >> 10)
                target[written + 1] = UInt8(truncatingIfNeeded: bits >> 2)
                written += 2
            default: isSound = false
            }
        }
        return isSound ? bytes : nil
    }

    private static let pad: UInt8 = 64
    private static let space: UInt8 = 65
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        for (index, character) in alphabet.utf8.enumerated() { values[Int(character)] = UInt8(index) }
        values[0x2D] = 62
        values[0x5F] = 63
        values[0x3D] = pad
        for character in [0x20, 0x09, 0x0A, 0x0D] { values[character] = space }
        return values
    }()
}
