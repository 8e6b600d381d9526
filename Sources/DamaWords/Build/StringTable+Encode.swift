import DamaSupport

extension StringTable {
    /// The table of these keys and values; the last value of a key that is there twice.
    static func encoded(_ values: [ExactText: UInt32]) throws(DamaError) -> [UInt8] {
        let entries = values.map { (key: Array($0.key.text.utf8), value: $0.value) }
            .sorted { $0.key.lexicographicallyPrecedes($1.key) }
        var buckets = 8
        while buckets < entries.count * 2 { buckets *= 2 }
        var table = [UInt32](repeating: 0, count: buckets)
        var offset = 0
        var places = ByteWriter()
        var keys: [UInt8] = []
        for (index, entry) in entries.enumerated() {
            var bucket = entry.key.withUnsafeBytes(hash) & (buckets - 1)
            while table[bucket] != 0 { bucket = (bucket + 1) & (buckets - 1) }
            table[bucket] = UInt32(index + 1)
            places.append(UInt32(offset))
            places.append(UInt32(entry.key.count))
            places.append(entry.value)
            keys += entry.key
            offset += entry.key.count
            guard offset <= 1 << 30 else { throw .unsupported("the words have more than 2³⁰ bytes") }
        }
        var bytes = ByteWriter()
        bytes.append(UInt32(entries.count))
        bytes.append(UInt32(buckets))
        bytes.append(UInt32(keys.count))
        for number in table { bytes.append(number) }
        bytes.append(places.bytes)
        bytes.append(keys)
        return bytes.bytes
    }

    /// A table of keys alone.
    static func encoded(_ keys: some Sequence<String>) throws(DamaError) -> [UInt8] {
        try encoded(Dictionary(keys.map { (ExactText($0), 0) }) { first, _ in first })
    }
}
