import DamaSupport

/// Tokens and their ids, both ways. Tokens are compared byte by byte: Swift's own strings would take the composed and
/// the decomposed "é" for the same token.
struct TokenTable: Sendable {
    /// Ids are below this, so that a damaged file cannot make us allocate without bound.
    static let idLimit = 1 << 22

    /// Every token's UTF-8, one after the other.
    private var bytes: [UInt8] = []
    /// Where each entry begins in `bytes`; one more than there are entries.
    private var starts: [Int] = [0]
    private var ids: [Int32] = []
    /// Open addressing: entry + 1, or 0 for a free slot. The count is a power of two.
    private var slots: [Int32]
    /// Entry + 1 of each id, or 0.
    private var entryOfID: [Int32] = []

    init(capacity: Int) {
        var size = 16
        while size < min(capacity, Self.idLimit) * 2 { size *= 2 }
        slots = [Int32](repeating: 0, count: size)
        ids.reserveCapacity(min(capacity, Self.idLimit))
        starts.reserveCapacity(min(capacity, Self.idLimit) + 1)
    }

    var count: Int { ids.count }

    /// The largest id plus one.
    var idEnd: Int { entryOfID.count }

    /// - Parameter field: The place in the file, for messages.
    /// - Throws: ``DamaError/Code/model`` where the token or the id is taken, or the id is out of range.
    mutating func insert(_ token: String, id: Int, field: String) throws(DamaError) {
        guard id >= 0, id < Self.idLimit else {
            throw .model(
                "\(field): id \(id) of token \(quoted(token)) is out of range; ids lie in 0..<\(Self.idLimit)")
        }
        var token = token
        let known: Int32?? = token.withUTF8 { utf8 in
            if let taken = find(UnsafeRawBufferPointer(utf8)) { return .some(ids[taken]) }
            return .some(nil)
        }
        if let known = known ?? nil {
            throw .model("\(field): token \(quoted(token)) stands twice, with ids \(known) and \(id)")
        }
        if let other = self.token(of: Int32(id)) {
            throw .model("\(field): tokens \(quoted(other)) and \(quoted(token)) share id \(id)")
        }
        if (count + 1) * 2 > slots.count { grow() }
        bytes.append(contentsOf: token.utf8)
        starts.append(bytes.count)
        ids.append(Int32(id))
        place(entry: count - 1)
        if id >= entryOfID.count {
            entryOfID.append(contentsOf: repeatElement(0, count: id + 1 - entryOfID.count))
        }
        entryOfID[id] = Int32(count)
    }

    func id(of token: String) -> Int32? {
        var token = token
        return token.withUTF8 { id(of: UnsafeRawBufferPointer($0)) }
    }

    func id(of utf8: UnsafeRawBufferPointer) -> Int32? { find(utf8).map { ids[$0] } }

    func token(of id: Int32) -> String? {
        guard id >= 0, Int(id) < entryOfID.count, entryOfID[Int(id)] > 0 else { return nil }
        let entry = Int(entryOfID[Int(id)]) - 1
        return String(decoding: bytes[starts[entry]..<starts[entry + 1]], as: UTF8.self)
    }

    func contains(id: Int32) -> Bool { id >= 0 && Int(id) < entryOfID.count && entryOfID[Int(id)] > 0 }

    /// Every id, in the order of insertion.
    var allIDs: [Int32] { ids }

    // MARK: - Hashing

    private func find(_ key: UnsafeRawBufferPointer) -> Int? {
        let mask = slots.count - 1
        var slot = Self.hash(key) & mask
        return bytes.withUnsafeBytes { bytes in
            while slots[slot] > 0 {
                let entry = Int(slots[slot]) - 1
                let start = starts[entry]
                if starts[entry + 1] - start == key.count,
                    UnsafeRawBufferPointer(rebasing: bytes[start..<start + key.count]).elementsEqual(key)
                {
                    return entry
                }
                slot = (slot + 1) & mask
            }
            return nil
        }
    }

    /// Seeded anew in every process, so that no file can be made to collide.
    private static func hash(_ key: UnsafeRawBufferPointer) -> Int {
        var hasher = Hasher()
        hasher.combine(bytes: key)
        return hasher.finalize()
    }

    private mutating func place(entry: Int) {
        let mask = slots.count - 1
        var slot =
            bytes.withUnsafeBytes {
                Self.hash(UnsafeRawBufferPointer(rebasing: $0[starts[entry]..<starts[entry + 1]]))
            } & mask
        while slots[slot] > 0 { slot = (slot + 1) & mask }
        slots[slot] = Int32(entry + 1)
    }

    private mutating func grow() {
        slots = [Int32](repeating: 0, count: slots.count * 2)
        for entry in 0..<count { place(entry: entry) }
    }
}
