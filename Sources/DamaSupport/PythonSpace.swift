extension Unicode.Scalar {
    /// Python's `str.isspace()` of one character, by which `str.split()` and `str.strip()` go: Unicode's white space and
    /// the four separators among the control characters.
    @inline(__always)
    package var isPythonSpace: Bool {
        switch value {
        case 0x09...0x0D, 0x1C...0x20: true
        case 0x21...0x7F: false
        case 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }
}
