import DamaSupport
import Synchronization

/// Embeddings of sentences and images that may come again, at most `capacity` of them, the last ones used.
///
/// A model's results may differ in their last bits with what else is in a batch, so a job that is taken up again has
/// to compute in the same batches as one that was never stopped, and so has to find in the cache what that one would.
/// The cache is therefore kept in a file too, and changes only at the end of a block. The file is a ring with more
/// slots than `capacity`: a block writes to slots that nothing alive is in, so that the state before it can still be
/// read where the process ends before the block is stored in the journal.
final class EmbeddingCache: Sendable {
    /// Entries that are kept.
    let capacity: Int
    private let dimension: Int
    private let file: OpenFile
    private let state: Mutex<State>

    private struct State {
        /// How many entries were ever added; the entry with position p is in slot p mod ``slots``.
        var head = 0
        var positions: [ContentKey: Int] = [:]
        var keys: [ContentKey] = []
        var values: [Float] = []
        /// To be added at the end of the block.
        var pending: [(key: ContentKey, value: [Float])] = []
    }

    /// Slots beyond the capacity, which is as many entries as one block can add.
    private var margin: Int { max(1, capacity / 4) }
    private var slots: Int { capacity + margin }
    private var slotBytes: Int { 8 + 32 + 4 * dimension + 4 }

    /// Opens the cache's file, or begins it.
    ///
    /// - Parameters:
    ///   - byteLimit: Memory for the embeddings; 0 for no cache.
    ///   - stored: ``stateBytes`` of the block after which the job goes on; empty for the beginning.
    init(path: String, dimension: Int, byteLimit: Int, stored: [UInt8]) throws(DamaError) {
        self.dimension = dimension
        // In memory an entry has its numbers, its key twice, and its share of a hash table that is not full.
        let entries = byteLimit / (4 * dimension + 160)
        capacity = entries >= 5 ? entries * 4 / 5 : 0
        file = try OpenFile(updating: path)
        try Files.synchronize(directory: Files.folder(of: path))
        state = Mutex(State())
        var reader = ByteReader(stored[...], name: "journal record")
        let stored = stored.isEmpty ? 0 : try reader.read(UInt64.self)
        // No job embeds so much; what is added to it must not overflow.
        guard let head = Int(exactly: stored), head <= 1 << 53 else {
            throw .io("\(path): the journal says that \(stored) embeddings were added; restart the job")
        }
        guard capacity > 0 else { return }
        try Allocation.check(byteLimit, for: "the cache of embeddings")
        var restored = State()
        restored.values.reserveCapacity(slots * dimension)
        restored.head = max(0, head - capacity)
        while restored.head < head {
            let (key, value) = try read(position: restored.head)
            store(key, value, in: &restored)
        }
        // A copy: Mutex takes its value by sending.
        let loaded = restored
        state.withLock { $0 = loaded }
    }

    /// What ``init(path:dimension:byteLimit:stored:)`` needs to find the cache as it is now.
    var stateBytes: [UInt8] {
        var writer = ByteWriter()
        writer.append(UInt64(state.withLock { $0.head }))
        return writer.bytes
    }

    /// From any thread. The answer may change with the end of a block.
    func contains(_ key: ContentKey) -> Bool {
        state.withLock { livePosition(key, $0) != nil }
    }

    /// The embedding stored for `key`. One that will have to make room before long is moved to the front.
    func value(_ key: ContentKey) -> [Float]? {
        state.withLock { state in
            guard let position = livePosition(key, state) else { return nil }
            let start = position % slots * dimension
            let value = Array(state.values[start..<start + dimension])
            if position < state.head - capacity / 2 { add(key, value, to: &state) }
            return value
        }
    }

    /// Stores an embedding from the end of the block on.
    func insert(_ key: ContentKey, _ value: [Float]) {
        state.withLock { add(key, value, to: &$0) }
    }

    /// Ends a block: writes what it added to the disk.
    func commit() throws(DamaError) {
        let (pending, head) = state.withLock { ($0.pending, $0.head) }
        guard !pending.isEmpty else { return }
        var position = head
        var bytes: [UInt8] = []
        for (key, value) in pending {
            bytes += encode(position, key, value)
            position += 1
            // Slots in a row are one write; the ring's end begins another.
            if position % slots == 0 || position == head + pending.count {
                let first = position - bytes.count / slotBytes
                try file.write(bytes, at: first % slots * slotBytes)
                bytes.removeAll(keepingCapacity: true)
            }
        }
        // The journal's record must not reach the disk before what it relies on.
        try file.synchronize()
        state.withLock { state in
            state.pending.removeAll()
            for (key, value) in pending { store(key, value, in: &state) }
        }
    }

    // MARK: The ring

    private func livePosition(_ key: ContentKey, _ state: State) -> Int? {
        guard let position = state.positions[key], position >= state.head - capacity else { return nil }
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
        for number in value { writer.append(number.bitPattern) }
        return writer.checksummed()
    }

    private func read(position: Int) throws(DamaError) -> (ContentKey, [Float]) {
        let bytes = try file.read(slotBytes, at: position % slots * slotBytes)
        guard bytes.count == slotBytes, var reader = try? ByteReader(checksummed: bytes, name: file.path),
            try reader.read(UInt64.self) == UInt64(position)
        else { throw .io("\(file.path) is damaged; the job cannot be taken up again, restart it") }
        let key = try ContentKey(&reader)
        var value: [Float] = []
        value.reserveCapacity(dimension)
        for _ in 0..<dimension { value.append(Float(bitPattern: try reader.read(UInt32.self))) }
        return (key, value)
    }
}

/// The SHA-256 of a sentence or of an image file.
struct ContentKey: Hashable, Sendable {
    // Four numbers and no array, which would cost an allocation for each of many thousand keys.
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
