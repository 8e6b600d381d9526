import DamaModels
import DamaSupport

/// A block of rows for a policy: items that are tokenised and decoded, and rejected rows.
struct PolicyBlock<Item: Sendable>: RowBlock {
    enum Row: Sendable {
        case item(Item)
        case rejected(RowOutcome)
    }

    var rows: [Row]
    var stamps: [[ImageStamp]]

    /// The items in the order of their rows.
    var items: [Item] {
        rows.compactMap { row in
            if case .item(let item) = row { item } else { nil }
        }
    }

    /// Prepares blocks on the workers. The rows of a block share decoded images.
    ///
    /// - Parameters:
    ///   - names: The names of the dataset's fields, for the `id` of a rejected row.
    ///   - read: Prepares one row, and adds the stamps of its image files.
    static func preparer(
        stop: StopSignal, names: FieldNames,
        read: @escaping @Sendable (RawRow, PreparedImages, inout [ImageStamp]) throws(RowFailure) -> Item
    ) -> @Sendable ([RawRow], Workers) throws(DamaError) -> PolicyBlock {
        { (rows, workers) throws(DamaError) in
            let images = PreparedImages()
            let found = try workers.map(rows) { row throws(DamaError) -> (row: Row, stamps: [ImageStamp]) in
                try stop.check()
                var stamps: [ImageStamp] = []
                switch try RowFailure.result({ () throws(RowFailure) in try read(row, images, &stamps) }) {
                case .success(let item): return (.item(item), stamps)
                case .failure(let rejection):
                    let id = PairRecord.identifier(of: row, names: names)
                    return (.rejected(.rejected(row, id: id, rejection)), stamps)
                }
            }
            return PolicyBlock(rows: found.map(\.row), stamps: found.map(\.stamps))
        }
    }
}
