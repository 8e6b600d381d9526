import DamaSupport

/// The file in which a job over rows keeps its results until all rows are done.
///
/// The journal is append-only. Each record has a checksum: the first holds the settings, and each later one holds a
/// block of rows. A record that was cut short when the process ended does not match its checksum; it and everything
/// after it are cut off, and the block is computed again. A block is on disk when ``append(_:)`` returns, so a power
/// failure loses no more than the end of the process does.
///
/// Layout: the eight bytes `DAMAJNL2`; then for each record its length (u32), the CRC-32 of its bytes (u32), and its
/// bytes.
struct RowJournal: ~Copyable {
    private let file: OpenFile
    private var contents: Contents
    var path: String { file.path }
    var rowCount: Int { contents.rowCount }
    var rejectedCount: Int { contents.rejectedCount }
    /// The task's state after the last block; empty before the first.
    var state: [UInt8] { contents.state }

    /// The contents of the complete records.
    private struct Contents {
        var settings: JSON
        /// The size of all complete records, in bytes.
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
    /// A larger block is a defect; a larger length means that the file is damaged.
    private static let recordLimit = 1 << 30

    /// Opens the journal at `path`, or creates it.
    ///
    /// - Parameter settings: An object with everything that the results depend on.
    /// - Throws: ``DamaError/Code/invalidArgument`` if the journal was created with other settings; the message names
    ///   them.
    init(path: String, settings: JSON) throws(DamaError) {
        if !Files.isThere(path) { try Self.begin(path, settings) }
        let file = try OpenFile(updating: path)
        let start = try file.read(Self.magic.count, at: 0)
        guard start.isEmpty || start == Self.magic else {
            guard !start.starts(with: Self.magic.dropLast()) else {
                throw .invalidArgument("\(path) was created by another version of libdama; restart the job")
            }
            throw .invalidArgument("\(path) is not the journal of a job, and is not replaced; choose another output")
        }
        guard let contents = try Self.read(file) else {
            // The first record is damaged, so the others cannot be used.
            try Self.begin(path, settings)
            self.file = try OpenFile(updating: path)
            self.contents = Contents(settings: settings, end: self.file.size)
            return
        }
        let differences = settingsDifferences(contents.settings, settings)
        guard differences.isEmpty else {
            throw .invalidArgument(
                "\(path) was created with \(differences.joined(separator: "; ")); use the same settings, or restart "
                    + "the job"
            )
        }
        // Anything after the last complete record is an incomplete one.
        if file.size > contents.end { try file.truncate(to: contents.end) }
        self.file = file
        self.contents = contents
    }

    /// Atomically writes a journal without blocks to `path`.
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

    /// Calls `body` with every row's outcome, in order. Holds one block in memory.
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

    /// Reads the records before the first damaged one; `nil` if the settings are damaged.
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

    /// Iterates over complete records.
    private struct RecordScan {
        var offset: Int
        let end: Int

        /// The next record's bytes; `nil` at the end, and before a record that is incomplete or damaged.
        mutating func next(in file: borrowing OpenFile) throws(DamaError) -> [UInt8]? {
            guard offset < end else { return nil }
            let head = try file.read(8, at: offset)
            guard head.count == 8 else { return nil }
            var reader = ByteReader(head[...], name: "journal")
            let length = Int(try reader.read(UInt32.self))
            let checksum = try reader.read(UInt32.self)
            // Checked before memory is allocated for the record.
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
