import DamaModels
import DamaRuntime
import DamaSupport

/// A block of rows, tokenised and decoded.
struct ReferenceBlock: RowBlock {
    enum Row: Sendable {
        case pair(id: JSON, key: String, PreparedPair)
        case rejected(RowOutcome)
    }

    var rows: [Row]
    var stamps: [ImageStamp?]
}

/// Log-probabilities of a reference model as a job over rows.
struct ReferenceTask: RowTask {
    let policy: Policy
    let root: ImageRoot
    let options: ReferenceOptions
    /// Lets another thread stop the model.
    let run: RunOptions?

    /// Blocks are independent.
    var state: [UInt8] { [] }

    mutating func commit() throws(DamaError) {}

    func makePreparer(stop: StopSignal) -> @Sendable ([RawRow], Workers) throws(DamaError) -> ReferenceBlock {
        let task = self
        return { (rows, workers) throws(DamaError) in
            let images = PreparedImages()
            let found = try workers.map(rows) { row throws(DamaError) in
                try stop.check()
                return try task.prepare(row, images)
            }
            return ReferenceBlock(rows: found.map(\.row), stamps: found.map(\.stamp))
        }
    }

    private func prepare(
        _ row: RawRow, _ images: PreparedImages
    ) throws(DamaError) -> (row: ReferenceBlock.Row, stamp: ImageStamp?) {
        var stamp: ImageStamp?
        switch try RowFailure.result({ () throws(RowFailure) in try read(row, images, &stamp) }) {
        case .success(let row): return (row, stamp)
        case .failure(let rejection):
            let id = PairRecord.identifier(of: row, names: options.fields)
            return (.rejected(.rejected(row, id: id, rejection)), stamp)
        }
    }

    private func read(
        _ row: RawRow, _ images: PreparedImages, _ stamp: inout ImageStamp?
    ) throws(RowFailure) -> ReferenceBlock.Row {
        let pair = try PolicyRow(row, names: options.fields, root: root, policy: policy, stamp: &stamp)
        let prepared = try RowFailure.sorting { () throws(DamaError) in
            try policy.prepare(pair.pair(image: pair.image.map { .bytes($0) }), sharing: images)
        }
        return .pair(id: pair.record.id, key: pair.key, prepared)
    }

    mutating func process(
        _ block: ReferenceBlock, checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> [RowOutcome] {
        var pairs: [PreparedPair] = []
        for case .pair(_, _, let pair) in block.rows { pairs.append(pair) }
        try checkpoint()
        // The batches depend on the block alone, so a resumed run forms the same ones.
        let found = pairs.isEmpty ? [] : try policy.logProbabilities(prepared: pairs, run: run)
        var next = 0
        var outcomes: [RowOutcome] = []
        for row in block.rows {
            switch row {
            case .rejected(let outcome): outcomes.append(outcome)
            case .pair(let id, let key, let pair):
                let entry = ReferenceEntry(id: id, key: key, logProbabilities: found[next])
                next += 1
                outcomes.append(.line(entry.line(options.format), isCut: pair.cuts.contains(true)))
            }
        }
        return outcomes
    }
}
