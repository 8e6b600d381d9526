import DamaSupport
import Synchronization

/// A cache of embeddings of sentences and images: the `capacity` most recently used ones.
///
/// The last bits of a model's results may depend on the batch. So a resumed job must form the same batches as an
/// uninterrupted one, and therefore must find the same entries in the cache. The cache is kept in a file too, and
/// changes only at the end of a block. The file is a ring with more slots than `capacity`: a block writes only to slots
/// without live entries. If the process ends before the journal stores the block, the previous state can still be read.
final class EmbeddingCache: Sendable {
    /// The number of entries kept.
    let capacity: Int
    private let dimension: Int
    private let file: OpenFile
    private let state: Mutex<State>

    private struct State {
        /// The number of entries ever added; the entry at position p is in slot p mod ``slots``.
        var head = 0
        /// Entries before this position are dead: the cache began anew here.
        var floor = 0
        var positions: [ContentKey: Int] = [:]
        var keys: [ContentKey] = []
        var values: [Float] = []
        /// Entries to add at the end of the block.
        var pending: [(key: ContentKey, value: [Float])] = []
    }

    /// Slots beyond the capacity: the maximum number of entries that one block can add.
    private var margin: Int { max(1, capacity / 4) }
    private var slots: Int { capacity + margin }
    private var slotBytes: Int { 8 + 32 + 4 * dimension + 4 }

    /// Opens the cache's file, or creates it.
    ///
    /// - Parameters:
    ///   - byteLimit: The memory for embeddings, in bytes; 0 disables the cache.
    ///   - stored: The ``stateBytes`` of the last completed block; empty at the beginning.
    init(path: String, dimension: Int, byteLimit: Int, stored: [UInt8]) throws(DamaError) {
        self.dimension = dimension
        // An entry takes memory for its numbers, for its key twice, and for its share of a partly filled hash table.
        let entries = byteLimit / (4 * dimension + 160)
        capacity = entries >= 5 ? entries * 4 / 5 : 0
        file = try OpenFile(updating: path)
        try Files.synchronize(directory: Files.folder(of: path))
        state = Mutex(State())
        var reader = ByteReader(stored[...], name: "journal record")
        let (stored, floor) =
            if stored.isEmpty { (UInt64(0), UInt64(0)) } else {
                // Version 0.2 stored no floor.
                (try reader.read(UInt64.self), reader.remaining > 0 ? try reader.read(UInt64.self) : 0)
            }
        // No job reaches this number; adding to it must not overflow.
        guard let head = Int(exactly: stored), head <= 1 << 53, floor <= stored else {
            throw .io("\(path): the journal says that \(stored) embeddings were added; restart the job")
        }
        guard capacity > 0 else { return }
        try Allocation.check(byteLimit, for: "the cache of embeddings")
        var restored = State()
        restored.values.reserveCapacity(slots * dimension)
        restored.floor = Int(floor)
        restored.head = max(restored.floor, head - capacity)
        while restored.head < head {
            let (key, value) = try read(position: restored.head)
            store(key, value, in: &restored)
        }
        // A copy: Mutex takes its value by sending.
        let loaded = restored
        state.withLock { $0 = loaded }
    }

    /// The state that ``init(path:dimension:byteLimit:stored:)`` needs to restore the cache.
    var stateBytes: [UInt8] {
        var writer = ByteWriter()
        let (head, floor) = state.withLock { ($0.head, $0.floor) }
        writer.append(UInt64(head))
        writer.append(UInt64(floor))
        return writer.bytes
    }

    /// Forgets all entries, before a block.
    func reset() { state.withLock { $0.floor = $0.head } }

    /// Whether the cache holds `key`. Can be called from any thread. The answer may change at the end of a block.
    func contains(_ key: ContentKey) -> Bool {
        state.withLock { livePosition(key, $0) != nil }
    }

    /// The embedding stored for `key`. An entry that would soon be evicted is added again at the front.
    func value(_ key: ContentKey) -> [Float]? {
        state.withLock { state in
            guard let position = livePosition(key, state) else { return nil }
            let start = position % slots * dimension
            let value = Array(state.values[start..<start + dimension])
            if position < state.head - capacity / 2 { add(key, value, to: &state) }
            return value
        }
    }

    /// Stores an embedding, visible from the end of the block on.
    func insert(_ key: ContentKey, _ value: [Float]) {
        state.withLock { add(key, value, to: &$0) }
    }

    /// Ends a block: writes its new entries to disk.
    func commit() throws(DamaError) {
        let (pending, head) = state.withLock { ($0.pending, $0.head) }
        guard !pending.isEmpty else { return }
        var position = head
        var bytes: [UInt8] = []
        for (key, value) in pending {
            bytes += encode(position, key, value)
            position += 1
            // Adjacent slots are one write; the end of the ring starts another.
            if position % slots == 0 || position == head + pending.count {
                let first = position - bytes.count / slotBytes
                try file.write(bytes, at: first % slots * slotBytes)
                bytes.removeAll(keepingCapacity: true)
            }
        }
        // The entries must be on disk before the journal record that depends on them.
        try file.synchronize()
        state.withLock { state in
            state.pending.removeAll()
            for (key, value) in pending { store(key, value, in: &state) }
        }
    }

    // MARK: The ring

    private func livePosition(_ key: ContentKey, _ state: State) -> Int? {
        guard let position = state.positions[key], position >= max(state.head - capacity, state.floor)
        else { return nil }
        return position
    }

    private func add(_ key: ContentKey, _ value: [Float], to state: inout State) {
        guard capacity > 0, state.pending.count < margin, value.count == dimension else { return }
        state.pending.append((key, value))
    }

    private func store(_ key: ContentKey, _ value: [Float], in state: inout State) {
        let slot = state.head % slots
        if slot < state.keys.count {
            let old = state.keys[slot]
            if let position = state.positions[old], position % slots == slot { state.positions[old] = nil }
            state.keys[slot] = key
            state.values.replaceSubrange(slot * dimension..<(slot + 1) * dimension, with: value)
        } else {
            // After a restart the first entry's slot may be anywhere in the ring.
            while state.keys.count < slot {
                state.keys.append(ContentKey())
                state.values.append(contentsOf: repeatElement(0, count: dimension))
            }
            state.keys.append(key)
            state.values.append(contentsOf: value)
        }
        state.positions[key] = state.head
        state.head += 1
    }

    private func encode(_ position: Int, _ key: ContentKey, _ value: [Float]) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(UInt64(position))
        key.append(to: &writer)
        writer.append(value)
        return writer.checksummed()
    }

    private func read(position: Int) throws(DamaError) -> (ContentKey, [Float]) {
        let bytes = try file.read(slotBytes, at: position % slots * slotBytes)
        guard bytes.count == slotBytes, var reader = try? ByteReader(checksummed: bytes, name: file.path),
            try reader.read(UInt64.self) == UInt64(position)
        else { throw .io("\(file.path) is damaged, so the job cannot resume; restart it") }
        let key = try ContentKey(&reader)
        return (key, try reader.readFloats(dimension))
    }
}

/// The SHA-256 of a sentence or of an image file.
struct ContentKey: Hashable, Sendable {
    // Four numbers instead of an array, which would need an allocation for each of many thousand keys.
    private let word0, word1, word2, word3: UInt64

    init() { (word0, word1, word2, word3) = (0, 0, 0, 0) }

    /// Reads what ``append(to:)`` wrote.
    init(_ reader: inout ByteReader) throws(DamaError) {
        word0 = try reader.read(UInt64.self)
        word1 = try reader.read(UInt64.self)
        word2 = try reader.read(UInt64.self)
        word3 = try reader.read(UInt64.self)
    }

    func append(to writer: inout ByteWriter) {
        for word in [word0, word1, word2, word3] { writer.append(word) }
    }

    init(sentence: String) { self.init("t", Array(sentence.utf8)) }

    init(image bytes: [UInt8]) { self.init("i", bytes) }

    private init(_ kind: Unicode.Scalar, _ bytes: [UInt8]) {
        var hash = SHA256()
        hash.update(CollectionOfOne(UInt8(ascii: kind)))
        hash.update(bytes)
        var reader = ByteReader(hash.digest[...], name: "digest")
        self = (try? ContentKey(&reader)) ?? ContentKey()
    }
}
