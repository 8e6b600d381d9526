import DamaModels
import DamaRuntime
import DamaSupport

/// A row that is tokenised and decoded.
struct PreparedReference: Sendable {
    var id: JSON
    var key: String
    var pair: PreparedPair
    /// For ``ReferenceOptions/Format/released``.
    var released: ReleasedRow?
}

/// Log-probabilities of a reference model as a job over rows.
struct ReferenceTask: RowTask {
    let policy: Policy
    let root: ImageRoot
    let options: ReferenceOptions
    /// For ``ReferenceOptions/Format/released``, by id.
    let scores: [ExactText: SubSentenceProbabilities]?
    /// Lets another thread stop the model.
    let run: RunOptions?

    /// Blocks are independent.
    var state: [UInt8] { [] }

    mutating func commit() throws(DamaError) {}

    func makePreparer(
        stop: StopSignal
    ) -> @Sendable ([RawRow], Workers) throws(DamaError) -> PolicyBlock<PreparedReference> {
        let task = self
        return PolicyBlock.preparer(stop: stop, names: options.fields) {
            (row, images, stamps) throws(RowFailure) in try task.read(row, images, &stamps)
        }
    }

    private func read(
        _ row: RawRow, _ images: PreparedImages, _ stamps: inout [ImageStamp]
    ) throws(RowFailure) -> PreparedReference {
        let pair = try PolicyRow(row, names: options.fields, root: root, policy: policy, stamps: &stamps)
        let prepared = try RowFailure.sorting { () throws(DamaError) in
            try policy.prepare(pair.pair(images: pair.prompt.images.map { .bytes($0) }), sharing: images)
        }
        var released: ReleasedRow?
        if options.format == .released {
            released = try RowFailure.parsing { () throws(Rejection) in
                let score = scores?[ExactText(pair.record.id.text)]
                guard scores == nil || score != nil else {
                    throw Rejection(.noScore, "the scores have no line for this id")
                }
                return try ReleasedRow(row, pair.record, score: score)
            }
        }
        return PreparedReference(id: pair.record.id, key: pair.key, pair: prepared, released: released)
    }

    mutating func process(
        _ block: PolicyBlock<PreparedReference>, checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> [RowOutcome] {
        let pairs = block.items.map(\.pair)
        try checkpoint()
        // The batches depend on the block alone, so a resumed run forms the same ones.
        let found = pairs.isEmpty ? [] : try policy.logProbabilities(prepared: pairs, run: run)
        var next = 0
        var outcomes: [RowOutcome] = []
        for row in block.rows {
            switch row {
            case .rejected(let outcome): outcomes.append(outcome)
            case .item(let item):
                let json =
                    item.released?.json(found[next], prefix: item.pair.sequence.prefixLength)
                    ?? ReferenceEntry(id: item.id, key: item.key, logProbabilities: found[next]).json(options.format)
                next += 1
                outcomes.append(.line(Array(json.text.utf8), isCut: item.pair.cuts.contains(true)))
            }
        }
        return outcomes
    }
}
