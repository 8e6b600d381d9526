import DamaSupport

/// The outcome of a row.
enum RowOutcome: Equatable, Sendable {
    /// Bytes that only the task can decode.
    case done([UInt8])
    /// The line for the rejects file, without its line feed.
    case rejected([UInt8])

    static func rejected(_ row: RawRow, id: JSON?, _ rejection: Rejection) -> RowOutcome {
        var bytes: [UInt8] = []
        rejection.line(of: row, id: id).write(to: &bytes)
        return .rejected(bytes)
    }
}

/// The outcomes of rows that were computed together, with the state that the task needs to continue after them.
struct BlockOutcome: Equatable, Sendable {
    var rows: [RowOutcome]
    /// The task's state after the block, which is restored when the job resumes.
    var state: [UInt8]
    /// For each row, the image files that it was computed from.
    var images: [[ImageStamp]]

    var rejectedCount: Int {
        rows.count { if case .rejected = $0 { true } else { false } }
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.append(UInt32(truncatingIfNeeded: state.count))
        writer.append(state)
        writer.append(UInt32(truncatingIfNeeded: rows.count))
        for row in rows {
            let (tag, bytes): (UInt8, [UInt8]) =
                switch row {
                case .done(let bytes): (0, bytes)
                case .rejected(let bytes): (1, bytes)
                }
            writer.append(tag)
            writer.append(UInt32(truncatingIfNeeded: bytes.count))
            writer.append(bytes)
        }
        for files in images {
            writer.append(UInt8(clamping: files.count))
            for file in files.prefix(Int(UInt8.max)) { file.append(to: &writer) }
        }
        return writer.bytes
    }

    init(rows: [RowOutcome], state: [UInt8], images: [[ImageStamp]]) {
        self.rows = rows
        self.state = state
        self.images = images
    }

    init(decoding bytes: [UInt8]) throws(DamaError) {
        var reader = ByteReader(bytes[...], name: "journal record")
        state = try reader.readBytes(Int(try reader.read(UInt32.self)))
        rows = []
        for _ in 0..<(try reader.read(UInt32.self)) {
            let tag = try reader.read(UInt8.self)
            let bytes = try reader.readBytes(Int(try reader.read(UInt32.self)))
            rows.append(tag == 0 ? .done(bytes) : .rejected(bytes))
        }
        images = []
        for _ in rows {
            var files: [ImageStamp] = []
            for _ in 0..<(try reader.read(UInt8.self)) { files.append(try ImageStamp(&reader)) }
            images.append(files)
        }
    }
}
