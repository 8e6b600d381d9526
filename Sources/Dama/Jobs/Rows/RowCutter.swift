/// A row of a dataset before it is read as JSON.
package struct RawRow: Equatable, Sendable {
    /// Position among the rows, from 0.
    package var index: Int
    /// The line of the file where the row begins, from 1.
    package var line: Int
    /// The offset of its first byte in the file.
    package var offset: Int
    /// The row's text; empty if the row has a ``rejection``.
    package var bytes: [UInt8]
    package var rejection: Rejection?

    package init(index: Int, line: Int, offset: Int = 0, bytes: [UInt8], rejection: Rejection? = nil) {
        self.index = index
        self.line = line
        self.offset = offset
        self.bytes = bytes
        self.rejection = rejection
    }
}

/// Splits a stream of bytes into rows: the lines of JSON Lines, or the elements of one JSON array.
///
/// The first character decides which of the two a file is. Rows are split by brackets and quotes and not parsed, so an
/// invalid row affects only itself; the limit for one row bounds the memory. Blank lines are skipped. The rows do not
/// depend on how the bytes are divided into pieces.
package struct RowCutter {
    /// The maximum size of one row, in bytes.
    package let rowLimit: Int
    private var mode = Mode.start
    private var row: [UInt8] = []
    private var rowLine = 1
    private var rowOffset = 0
    /// The total size of the previous pieces.
    private var base = 0
    private var rowIsTooLarge = false
    private var line = 1
    private var count = 0
    // In an array: the depth of open brackets inside the element, and whether a string or an escape is open.
    private var depth = 0
    private var inString = false
    private var afterBackslash = false

    private enum Mode {
        /// Only white space so far.
        case start
        case lines
        /// Before the first element, where `]` ends an empty array.
        case firstElement
        /// After a comma, before the next element.
        case nextElement
        case element
        /// After the array's closing bracket.
        case end
        /// After text following the array, which is reported once.
        case excess
    }

    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
    private var markBytes = 0
    private var seenAny = false

    package init(rowLimit: Int) { self.rowLimit = max(1, rowLimit) }

    /// The number of rows so far.
    package var rowCount: Int { count }

    /// Consumes the next bytes and appends the rows that end in them.
    package mutating func consume(_ bytes: UnsafeRawBufferPointer, into rows: inout [RawRow]) {
        var position = 0
        while position < bytes.count {
            switch mode {
            case .start: start(bytes[position], &position)
            case .lines: consumeLines(bytes, &position, &rows)
            case .firstElement, .nextElement: beforeElement(bytes[position], &position, &rows)
            case .element: consumeElement(bytes, &position, &rows)
            case .end: afterArray(bytes[position], &position, &rows)
            case .excess: position = bytes.count
            }
        }
        base += bytes.count
    }

    /// Ends the input.
    package mutating func finish(into rows: inout [RawRow]) {
        switch mode {
        case .start where markBytes > 0 && markBytes < 3:
            row = Array(Self.byteOrderMark.prefix(markBytes))
            emit(&rows)
        case .start, .end, .excess: break
        case .lines: if !rowIsBlank { emit(&rows) }
        case .firstElement, .nextElement, .element:
            if mode != .element { rowLine = line }
            emit(&rows, Rejection(.invalidJSON, "the file ends inside its array; it may have been cut short"))
        }
        mode = .excess
    }

    // MARK: The beginning

    private mutating func start(_ byte: UInt8, _ position: inout Int) {
        if !seenAny, markBytes < 3, byte == Self.byteOrderMark[markBytes] {
            markBytes += 1
            position += 1
            return
        }
        if markBytes > 0, markBytes < 3 {
            // The bytes only started like a byte order mark: they belong to the first row.
            row = Array(Self.byteOrderMark.prefix(markBytes))
            markBytes = 0
            mode = .lines
            return
        }
        seenAny = true
        switch byte {
        case 0x0A:
            line += 1
            position += 1
        case 0x20, 0x09, 0x0D: position += 1
        case UInt8(ascii: "["):
            mode = .firstElement
            position += 1
        default:
            rowLine = line
            rowOffset = base + position
            mode = .lines
        }
    }

    // MARK: JSON Lines

    private mutating func consumeLines(
        _ bytes: UnsafeRawBufferPointer, _ position: inout Int, _ rows: inout [RawRow]
    ) {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
        let length = rest.firstIndex(of: 0x0A)
        take(UnsafeRawBufferPointer(rebasing: rest[..<(length ?? rest.count)]))
        position += length.map { $0 + 1 } ?? rest.count
        guard length != nil else { return }
        if rowIsBlank { row.removeAll(keepingCapacity: true) } else { emit(&rows) }
        line += 1
        rowLine = line
        rowOffset = base + position
    }

    private var rowIsBlank: Bool {
        !rowIsTooLarge && row.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
    }

    // MARK: An array

    private mutating func beforeElement(_ byte: UInt8, _ position: inout Int, _ rows: inout [RawRow]) {
        switch byte {
        case 0x0A:
            line += 1
            position += 1
        case 0x20, 0x09, 0x0D: position += 1
        case UInt8(ascii: "]") where mode == .firstElement:
            mode = .end
            position += 1
        default:
            rowLine = line
            rowOffset = base + position
            depth = 0
            inString = false
            afterBackslash = false
            mode = .element
        }
    }

    private mutating func consumeElement(
        _ bytes: UnsafeRawBufferPointer, _ position: inout Int, _ rows: inout [RawRow]
    ) {
        let begin = position
        while position < bytes.count {
            let byte = bytes[position]
            if byte == 0x0A { line += 1 }
            if inString {
                if afterBackslash {
                    afterBackslash = false
                } else if byte == UInt8(ascii: "\\") {
                    afterBackslash = true
                } else if byte == UInt8(ascii: "\"") {
                    inString = false
                }
            } else {
                switch byte {
                case UInt8(ascii: "\""): inString = true
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: ","), UInt8(ascii: "]"):
                    if depth == 0 {
                        take(UnsafeRawBufferPointer(rebasing: bytes[begin..<position]))
                        emit(&rows)
                        position += 1
                        mode = byte == UInt8(ascii: ",") ? .nextElement : .end
                        return
                    }
                    if byte == UInt8(ascii: "]") { depth -= 1 }
                // A surplus bracket invalidates only its own element.
                case UInt8(ascii: "}"): if depth > 0 { depth -= 1 }
                default: break
                }
            }
            position += 1
        }
        take(UnsafeRawBufferPointer(rebasing: bytes[begin..<position]))
    }

    private mutating func afterArray(_ byte: UInt8, _ position: inout Int, _ rows: inout [RawRow]) {
        switch byte {
        case 0x0A:
            line += 1
            position += 1
        case 0x20, 0x09, 0x0D: position += 1
        default:
            rowLine = line
            emit(&rows, Rejection(.invalidJSON, "text after the end of the array"))
            mode = .excess
        }
    }

    // MARK: Rows

    private mutating func take(_ bytes: UnsafeRawBufferPointer) {
        guard !rowIsTooLarge else { return }
        guard bytes.count <= rowLimit - row.count else {
            rowIsTooLarge = true
            row = []
            return
        }
        row.append(contentsOf: bytes)
    }

    private mutating func emit(_ rows: inout [RawRow], _ rejection: Rejection? = nil) {
        var rejection = rejection
        if rejection == nil, rowIsTooLarge {
            rejection = Rejection(.rowTooLarge, "the row has more than the \(rowLimit) bytes allowed for one")
        }
        rows.append(
            RawRow(
                index: count, line: rowLine, offset: rowOffset, bytes: rejection == nil ? row : [],
                rejection: rejection))
        count += 1
        row.removeAll(keepingCapacity: true)
        rowIsTooLarge = false
    }
}
