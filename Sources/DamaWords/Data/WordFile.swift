import DamaSupport

/// The layout of a word-data file: what ``WordDataBuilder`` writes and ``WordData`` maps.
///
/// "DAMAWORD", the version and the number of sections (32 bits each), the offset and the size of each section (64 bits
/// each), the sections, and the CRC-32 of all bytes before. Numbers are little-endian.
struct WordFile {
    enum Section: Int, CaseIterable {
        /// JSON: the files that the data comes from.
        case identity
        /// The tagger's tags in the order of their bytes, a line each.
        case tags
        /// For each feature the number of its weights, then the weights: the tag in the lowest 8 bits, above it the
        /// weight in thousandths, signed.
        case weights
        /// Feature → the position of its weights.
        case features
        /// Word → its only tag.
        case dictionary
        case abbreviations
        /// Two words with a line feed between them.
        case collocations
        case starters
        /// Word → the contexts that it was seen in (``PunktParameters/Contexts``).
        case contexts
        /// The nouns of WordNet.
        case nouns
        /// Irregular form → the number of its lemma in `nouns`, or 2³² − 1 if it has none.
        case exceptions
    }

    static let magic = Array("DAMAWORD".utf8)
    static let version: UInt32 = 1
    private static let headerSize = 16 + 16 * Section.allCases.count

    private let bytes: UnsafeRawBufferPointer
    private let ranges: [Range<Int>]

    /// - Throws: ``DamaError/Code/model`` if the bytes are no word data, or damaged; ``DamaError/Code/unsupported`` for
    ///   another version.
    init(_ bytes: UnsafeRawBufferPointer) throws(DamaError) {
        guard bytes.count >= 16, bytes.prefix(8).elementsEqual(Self.magic) else {
            throw .model("this is no word-data file; expected one that `dama evaluate prepare` wrote")
        }
        func number32(_ offset: Int) -> UInt32 {
            UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        }
        guard number32(8) == Self.version else {
            throw .unsupported("the word data has version \(number32(8)); this library reads version \(Self.version)")
        }
        let end = bytes.count - 4
        guard end >= Self.headerSize, number32(12) == Section.allCases.count else {
            throw .model("the word data is cut short: \(bytes.count) bytes")
        }
        var checksum = CRC32()
        checksum.update(UnsafeRawBufferPointer(rebasing: bytes[..<end]))
        guard checksum.value == number32(end) else {
            throw .model("the word data is damaged: its checksum does not match its bytes; prepare it again")
        }
        var ranges: [Range<Int>] = []
        for section in Section.allCases {
            func number64(_ offset: Int) -> UInt64 {
                UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            }
            let place = 16 + 16 * section.rawValue
            guard let start = Int(exactly: number64(place)), let size = Int(exactly: number64(place + 8)),
                start <= end, size <= end - start
            else { throw .model("the word data is damaged: its part \(section) lies outside of the file") }
            ranges.append(start..<start + size)
        }
        (self.bytes, self.ranges) = (bytes, ranges)
    }

    subscript(section: Section) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[ranges[section.rawValue]])
    }

    func table(_ section: Section) throws(DamaError) -> StringTable {
        try StringTable(self[section], name: "\(section)")
    }

    /// A file of these sections.
    static func encoded(_ sections: [Section: [UInt8]]) -> [UInt8] {
        var header = ByteWriter()
        header.append(magic)
        header.append(version)
        header.append(UInt32(Section.allCases.count))
        var body: [UInt8] = []
        for section in Section.allCases {
            let data = sections[section] ?? []
            header.append(UInt64(headerSize + body.count))
            header.append(UInt64(data.count))
            body += data
        }
        header.append(body)
        return header.checksummed()
    }
}
