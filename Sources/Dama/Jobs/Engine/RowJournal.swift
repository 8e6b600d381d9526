import DamaSupport
import Glibc

/// The file that a job over rows keeps its results in until all are there.
///
/// Records of checksummed bytes, only ever appended: the settings first, then one for each block of rows. A record that
/// was cut short when the process ended does not fit its checksum; it and what follows are cut off, and the block is
/// computed again.
///
/// Layout: the eight bytes `DAMAJNL1`; then for each record its length (u32), the CRC-32 of its bytes (u32), the bytes.
struct RowJournal: ~Copyable {
    let path: String
    private let descriptor: Int32
    /// Bytes of whole records.
    private var end = 0
    private(set) var rowCount = 0
    private(set) var rejectedCount = 0
    /// The task's state after the last block; empty before the first.
    private(set) var state: [UInt8] = []

    private static let magic = Array("DAMAJNL1".utf8)
    /// A block larger than this is a defect, a length larger than this a damaged file.
    private static let recordLimit = 1 << 30

    /// Opens the journal at `path`, or begins it.
    ///
    /// - Parameter settings: An object with all that the results depend on.
    /// - Throws: ``DamaError/Code/invalidArgument`` where the journal was begun with other settings, naming them.
    init(path: String, settings: JSON) throws(DamaError) {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .io("cannot open \(path): \(describeErrno())") }
        let known = try readAll()
        if let known {
            let differences = settingsDifferences(known, settings)
            guard differences.isEmpty else {
                throw .invalidArgument(
                    "\(path) was begun with \(differences.joined(separator: "; ")); go on with the same, or restart")
            }
        }
        // What lies behind the last whole record is half of one.
        guard ftruncate(descriptor, end) == 0 || errno == EINVAL else {
            throw .io("cannot write \(path): \(describeErrno())")
        }
        if known == nil {
            try writeAtEnd(Self.magic)
            try append(record: Array(settings.text.utf8))
        }
    }

    deinit { close(descriptor) }

    mutating func append(_ block: BlockOutcome) throws(DamaError) {
        try append(record: block.encoded())
        count(block)
    }

    /// Every row's outcome, in order, with memory for one block.
    func forEachRow(_ body: (RowOutcome) throws(DamaError) -> Void) throws(DamaError) {
        var scan = RecordScan(descriptor: descriptor, offset: Self.magic.count, end: end)
        guard try scan.next() != nil else { return }
        while let record = try scan.next() {
            for row in try BlockOutcome(decoding: record).rows { try body(row) }
        }
    }

    // MARK: Reading

    /// Reads what is there up to the first damaged record; the settings, or `nil` for an empty file.
    private mutating func readAll() throws(DamaError) -> JSON? {
        var magic = [UInt8](repeating: 0, count: Self.magic.count)
        guard pread(descriptor, &magic, magic.count, 0) == magic.count, magic == Self.magic else { return nil }
        var scan = RecordScan(descriptor: descriptor, offset: magic.count, end: .max)
        guard let header = try scan.next(), let settings = try? JSON(parsing: header) else { return nil }
        end = scan.offset
        while let record = try scan.next(), let block = try? BlockOutcome(decoding: record) {
            count(block)
            end = scan.offset
        }
        return settings
    }

    private mutating func count(_ block: BlockOutcome) {
        rowCount += block.rows.count
        rejectedCount += block.rejectedCount
        state = block.state
    }

    /// Walks over whole records.
    private struct RecordScan {
        let descriptor: Int32
        var offset: Int
        let end: Int

        /// The next record's bytes; `nil` at the end, and before a record that is cut short or damaged.
        mutating func next() throws(DamaError) -> [UInt8]? {
            guard offset < end, let head = read(8, at: offset) else { return nil }
            var reader = ByteReader(head[...], name: "journal")
            let length = Int(try reader.read(UInt32.self))
            let checksum = try reader.read(UInt32.self)
            // A damaged length must not take memory for bytes that are not there.
            var status = stat()
            guard fstat(descriptor, &status) == 0, length <= RowJournal.recordLimit,
                length <= status.st_size - offset - 8, let bytes = read(length, at: offset + 8),
                CRC32.of(bytes) == checksum
            else { return nil }
            offset += 8 + length
            return bytes
        }

        private func read(_ size: Int, at offset: Int) -> [UInt8]? {
            let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
                while count < size, let base = buffer.baseAddress {
                    let got = pread(descriptor, base + count, size - count, offset + count)
                    if got < 0 && errno == EINTR { continue }
                    guard got > 0 else { return }
                    count += got
                }
            }
            return bytes.count == size ? bytes : nil
        }
    }

    // MARK: Writing

    private mutating func append(record: [UInt8]) throws(DamaError) {
        guard record.count <= Self.recordLimit else {
            throw .outOfMemory("a block of rows takes \(record.count) bytes in \(path); use smaller blocks")
        }
        var head = ByteWriter()
        head.append(UInt32(record.count))
        head.append(CRC32.of(record))
        try writeAtEnd(head.bytes + record)
    }

    private mutating func writeAtEnd(_ bytes: [UInt8]) throws(DamaError) {
        try writeFully(bytes, to: descriptor, at: end, path)
        end += bytes.count
    }
}

/// Writes every byte at `offset`.
func writeFully(_ bytes: [UInt8], to descriptor: Int32, at offset: Int, _ path: String) throws(DamaError) {
    var done = 0
    while done < bytes.count {
        let count = bytes.withUnsafeBytes { buffer -> Int in
            guard let base = buffer.baseAddress else { return 0 }
            return pwrite(descriptor, base + done, buffer.count - done, offset + done)
        }
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { throw .io("cannot write \(path): \(describeErrno())") }
        done += count
    }
}

/// What differs between two objects of settings, for people: `delta "scores" instead of "probabilities"`.
func settingsDifferences(_ found: JSON, _ wanted: JSON) -> [String] {
    let keys = (wanted.object?.members ?? []).map(\.key)
    let others = (found.object?.members ?? []).map(\.key).filter { !keys.contains($0) }
    return (keys + others).compactMap { key in
        let (a, b) = (found[key] ?? .null, wanted[key] ?? .null)
        return a == b ? nil : "\(key) \(a.text) instead of \(b.text)"
    }
}
