import DamaSupport

/// The file that a job over rows keeps its results in until all are there.
///
/// Records of checksummed bytes, only ever appended: the settings first, then one for each block of rows. A record that
/// was cut short when the process ended does not fit its checksum; it and what follows are cut off, and the block is
/// computed again. A block is on the disk when ``append(_:)`` returns, so that a power failure takes no more than a
/// process's end does.
///
/// Layout: the eight bytes `DAMAJNL2`; then for each record its length (u32), the CRC-32 of its bytes (u32), the bytes.
struct RowJournal: ~Copyable {
    private let file: OpenFile
    private var contents: Contents
    var path: String { file.path }
    var rowCount: Int { contents.rowCount }
    var rejectedCount: Int { contents.rejectedCount }
    /// The task's state after the last block; empty before the first.
    var state: [UInt8] { contents.state }

    /// What is known of the whole records.
    private struct Contents {
        var settings: JSON
        /// Bytes of whole records.
        var end: Int
        var rowCount = 0
        var rejectedCount = 0
        var state: [UInt8] = []

        mutating func add(_ block: BlockOutcome) {
            rowCount += block.rows.count
            rejectedCount += block.rejectedCount
            state = block.state
        }
    }

    private static let magic = Array("DAMAJNL2".utf8)
    /// A block larger than this is a defect, a length larger than this a damaged file.
    private static let recordLimit = 1 << 30

    /// Opens the journal at `path`, or begins it.
    ///
    /// - Parameter settings: An object with all that the results depend on.
    /// - Throws: ``DamaError/Code/invalidArgument`` where the journal was begun with other settings, naming them.
    init(path: String, settings: JSON) throws(DamaError) {
        if !Files.isThere(path) { try Self.begin(path, settings) }
        let file = try OpenFile(updating: path)
        let start = try file.read(Self.magic.count, at: 0)
        guard start.isEmpty || start == Self.magic else {
            guard !start.starts(with: Self.magic.dropLast()) else {
                throw .invalidArgument("\(path) was begun by another version of libdama; restart the job")
            }
            throw .invalidArgument("\(path) is not the journal of a job, and is not replaced; name another output")
        }
        guard let contents = try Self.read(file) else {
            // Its first record is damaged, and nothing can be told of the others.
            try Self.begin(path, settings)
            self.file = try OpenFile(updating: path)
            self.contents = Contents(settings: settings, end: self.file.size)
            return
        }
        let differences = settingsDifferences(contents.settings, settings)
        guard differences.isEmpty else {
            throw .invalidArgument(
                "\(path) was begun with \(differences.joined(separator: "; ")); go on with the same, or restart")
        }
        // What lies behind the last whole record is half of one.
        if file.size > contents.end { try file.truncate(to: contents.end) }
        self.file = file
        self.contents = contents
    }

    /// Puts a journal without blocks at `path`, all of it or nothing.
    private static func begin(_ path: String, _ settings: JSON) throws(DamaError) {
        try Files.writeAtomically(magic + record(Array(settings.text.utf8), path), to: path)
    }

    mutating func append(_ block: BlockOutcome) throws(DamaError) {
        let record = try Self.record(block.encoded(), path)
        try file.write(record, at: contents.end)
        try file.synchronize()
        contents.end += record.count
        contents.add(block)
    }

    /// Every row's outcome, in order, with memory for one block.
    func forEachRow(_ body: (RowOutcome) throws(DamaError) -> Void) throws(DamaError) {
        try forEachBlock { block throws(DamaError) in
            for row in block.rows { try body(row) }
        }
    }

    func forEachBlock(_ body: (BlockOutcome) throws(DamaError) -> Void) throws(DamaError) {
        var scan = RecordScan(offset: Self.magic.count, end: contents.end)
        guard try scan.next(in: file) != nil else { throw damaged }
        while let record = try scan.next(in: file) {
            try body(BlockOutcome(decoding: record))
        }
        guard scan.offset == contents.end else { throw damaged }
    }

    private var damaged: DamaError { .io("\(path) was changed while the job ran; restart the job") }

    // MARK: Reading

    /// Reads what is there up to the first damaged record; `nil` where that is the settings.
    private static func read(_ file: borrowing OpenFile) throws(DamaError) -> Contents? {
        var scan = RecordScan(offset: magic.count, end: file.size)
        guard let header = try scan.next(in: file), let settings = try? JSON(parsing: header) else { return nil }
        var contents = Contents(settings: settings, end: scan.offset)
        while let record = try scan.next(in: file), let block = try? BlockOutcome(decoding: record) {
            contents.add(block)
            contents.end = scan.offset
        }
        return contents
    }

    /// Walks over whole records.
    private struct RecordScan {
        var offset: Int
        let end: Int

        /// The next record's bytes; `nil` at the end, and before a record that is cut short or damaged.
        mutating func next(in file: borrowing OpenFile) throws(DamaError) -> [UInt8]? {
            guard offset < end else { return nil }
            let head = try file.read(8, at: offset)
            guard head.count == 8 else { return nil }
            var reader = ByteReader(head[...], name: "journal")
            let length = Int(try reader.read(UInt32.self))
            let checksum = try reader.read(UInt32.self)
            // Before memory is taken for it.
            guard length <= RowJournal.recordLimit, length <= end - offset - 8 else { return nil }
            let bytes = try file.read(length, at: offset + 8)
            guard bytes.count == length, CRC32.of(bytes) == checksum else { return nil }
            offset += 8 + length
            return bytes
        }
    }

    // MARK: Writing

    private static func record(_ bytes: [UInt8], _ path: String) throws(DamaError) -> [UInt8] {
        guard bytes.count <= recordLimit else {
            throw .outOfMemory("a block of rows takes \(bytes.count) bytes in \(path); use smaller blocks")
        }
        var head = ByteWriter()
        head.append(UInt32(bytes.count))
        head.append(CRC32.of(bytes))
        return head.bytes + bytes
    }
}
