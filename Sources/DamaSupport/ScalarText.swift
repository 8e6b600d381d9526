// Texts as arrays of Unicode scalars and back. The standard library's views take one call for each scalar, which costs
// several times more than these loops.

extension [Unicode.Scalar] {
    /// The Unicode scalars of a text.
    package init(scalarsOf text: String) {
        // Without this the initialiser of the array would write its count to the memory that all empty arrays share.
        guard !text.isEmpty else {
            self = []
            return
        }
        var text = text
        self = text.withUTF8 { utf8 in
            [Unicode.Scalar](unsafeUninitializedCapacity: utf8.count) { scalars, count in
                var place = 0
                while place < utf8.count {
                    let byte = utf8[place]
                    if byte < 0x80 {
                        scalars.initializeElement(at: count, to: Unicode.Scalar(byte))
                        place += 1
                    } else {
                        let (value, length) = Self.decode(utf8, at: place)
                        scalars.initializeElement(at: count, to: Unicode.Scalar(value) ?? "\u{FFFD}")
                        place += length
                    }
                    count += 1
                }
            }
        }
    }

    /// The scalar of several bytes at `place`, and their number. A string's UTF-8 is valid.
    @inline(__always)
    private static func decode(_ utf8: UnsafeBufferPointer<UInt8>, at place: Int) -> (value: UInt32, length: Int) {
        let first = UInt32(utf8[place])
        let length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        var value = first & (0x7F >> UInt32(length))
        for next in place + 1..<Swift.min(place + length, utf8.count) {
            value = value << 6 | UInt32(utf8[next]) & 0x3F
        }
        return (value, length)
    }
}

extension String {
    /// The text of Unicode scalars.
    package init(scalars: ArraySlice<Unicode.Scalar>) {
        self = scalars.withUnsafeBufferPointer { scalars in
            var size = 0
            for scalar in scalars { size += UTF8.width(scalar) }
            return String(unsafeUninitializedCapacity: size) { utf8 in
                var count = 0
                for scalar in scalars {
                    let value = scalar.value
                    if value < 0x80 {
                        utf8[count] = UInt8(truncatingIfNeeded: value)
                        count += 1
                        continue
                    }
                    let width = UTF8.width(scalar)
                    // Six bits for each byte behind the first, which begins with as many ones as there are bytes.
                    var rest = value
                    for place in stride(from: count + width - 1, to: count, by: -1) {
                        utf8[place] = 0x80 | UInt8(truncatingIfNeeded: rest & 0x3F)
                        rest >>= 6
                    }
                    utf8[count] = (width == 2 ? 0xC0 : width == 3 ? 0xE0 : 0xF0) | UInt8(truncatingIfNeeded: rest)
                    count += width
                }
                return count
            }
        }
    }

    /// The text of Unicode scalars.
    package init(scalars: [Unicode.Scalar]) { self.init(scalars: scalars[...]) }
}
