/// Parts of a text that have been merged, by their characters: most words of a text occur in it before.
struct MergedParts {
    private struct Entry {
        /// The part in the text, and its ids among the text's; empty if there is none.
        var part = 0..<0
        var ids = 0..<0
    }

    private static let count = 512
    private var entries = [Entry](repeating: Entry(), count: Self.count)

    /// The ids of an equal part that was inserted; `nil` if there is none.
    func find(_ part: Range<Int>, in text: ArraySlice<Unicode.Scalar>) -> Range<Int>? {
        let entry = entries[Self.slot(part, of: text)]
        guard entry.part.count == part.count, text[entry.part].elementsEqual(text[part]) else { return nil }
        return entry.ids
    }

    /// - Parameter ids: The places of the part's ids, which stay where they are.
    mutating func insert(_ part: Range<Int>, of text: ArraySlice<Unicode.Scalar>, _ ids: Range<Int>) {
        entries[Self.slot(part, of: text)] = Entry(part: part, ids: ids)
    }

    /// FNV-1a.
    private static func slot(_ part: Range<Int>, of text: ArraySlice<Unicode.Scalar>) -> Int {
        var hash: UInt32 = 2_166_136_261
        for scalar in text[part] { hash = (hash ^ scalar.value) &* 16_777_619 }
        return Int((hash ^ hash >> 16) % UInt32(count))
    }
}
