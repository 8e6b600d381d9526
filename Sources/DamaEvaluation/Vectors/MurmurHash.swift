/// MurmurHash64A of Austin Appleby, as spaCy's strings are numbered.
enum MurmurHash {
    /// - Parameter seed: spaCy uses 1.
    static func hash64A(_ bytes: [UInt8], seed: UInt64) -> UInt64 {
        let factor: UInt64 = 0xC6A4_A793_5BD1_E995
        var hash = seed ^ UInt64(bytes.count) &* factor
        let whole = bytes.count & ~7
        for start in stride(from: 0, to: whole, by: 8) {
            var word = littleEndian(bytes[start..<start + 8]) &* factor
            word = (word ^ word >> 47) &* factor
            hash = (hash ^ word) &* factor
        }
        if whole < bytes.count { hash = (hash ^ littleEndian(bytes[whole...])) &* factor }
        hash = (hash ^ hash >> 47) &* factor
        return hash ^ hash >> 47
    }

    private static func littleEndian(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
