import DamaSupport

/// Tokens and their ids, in both directions. Tokens are compared by their bytes: Swift's strings would treat the
/// composed and the decomposed "é" as the same token.
struct TokenTable: Sendable {
    /// All ids are below this, so that a damaged file cannot cause unbounded allocations.
    static let idLimit = 1 << 22

    /// The UTF-8 of all tokens, concatenated.
    private var bytes: [UInt8] = []
    /// The start of each entry in `bytes`, and the end of the last one.
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
    /// - Throws: ``DamaError/Code/model`` for a duplicate token or id, or an id out of range.
    mutating func insert(_ token: String, id: Int, field: String) throws(DamaError) {
        guard id >= 0, id < Self.idLimit else {
            throw .model(
                "\(field): id \(id) of token \(quoted(token)) is out of range; ids must be in 0..<\(Self.idLimit)")
        }
        var token = token
        let known: Int32?? = token.withUTF8 { utf8 in
            if let taken = find(UnsafeRawBufferPointer(utf8)) { return .some(ids[taken]) }
            return .some(nil)
        }
        if let known = known ?? nil {
            throw .model("\(field): duplicate token \(quoted(token)), with ids \(known) and \(id)")
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

    func token(_ id: Int32, startsWith part: [UInt8]) -> Bool { utf8(of: id).starts(with: part) }

    func token(_ id: Int32, endsWith part: [UInt8]) -> Bool { utf8(of: id).suffix(part.count).elementsEqual(part) }

    /// Empty for an id without a token.
    private func utf8(of id: Int32) -> ArraySlice<UInt8> {
        guard contains(id: id) else { return [] }
        let entry = Int(entryOfID[Int(id)]) - 1
        return bytes[starts[entry]..<starts[entry + 1]]
    }

    /// All ids, in the order of insertion.
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

    /// Random for every process, so that no file can force collisions.
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
