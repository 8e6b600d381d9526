import DamaModels
import DamaRuntime
import DamaSupport
import DamaTraining

/// The held-out pairs of a training job, and what is known of the best checkpoint. They never influence the training.
struct HeldOutPairs {
    let data: TrainingData
    private let root: ImageRoot
    private let options: TrainOptions
    private let takesImages: Bool
    /// Identifies what the best checkpoint was compared by: another set or another metric starts anew.
    private let identity: JSON
    /// The best checkpoint so far.
    private(set) var best: Best?
    /// The batch after which the pairs were last scored.
    private(set) var evaluated = 0

    struct Best: Equatable {
        var batch: Int
        var value: Double
    }

    init(_ data: TrainingData, _ root: ImageRoot, _ options: TrainOptions, takesImages: Bool) {
        self.data = data
        self.root = root
        self.options = options
        self.takesImages = takesImages
        identity = [
            "input": .string(data.contents.sha256), "images": .string(data.imagesDigest),
            "pairs": .int(Int64(data.items.count)), "by": .string(options.evalBest.rawValue),
        ]
    }

    /// Whether the pairs are to be scored now.
    func isDue(after batch: Int, of batches: Int) -> Bool {
        batch > 0 && evaluated != batch && (batch % options.evalEvery == 0 || batch == batches)
    }

    /// Scores the pairs, each rank its share. Holds the images of a few in memory.
    mutating func score(
        _ trainer: Trainer, _ ranks: RankGroup, after batch: Int, run: RunOptions?
    ) throws(DamaError) -> HeldOutMetrics {
        var sums = HeldOutSums(options.method)
        let own = ranks.share(of: data.items.count)
        try ranks.agreeing { () throws(DamaError) in
            for start in stride(from: 0, to: own.count, by: 32) {
                var pairs: [TrainingPair] = []
                for index in own[start..<min(start + 32, own.count)] {
                    pairs.append(try data.pair(index, root, takesImage: takesImages))
                }
                try trainer.add(pairs, to: &sums, run: run)
            }
        }
        evaluated = batch
        return try sums.gathered(of: data.items.count, ranks).metrics()
    }

    /// Whether these metrics are better than all before; the first of equal ones stays the best.
    mutating func isBest(_ metrics: HeldOutMetrics, after batch: Int) -> Bool {
        let value: Double
        switch options.evalBest {
        case .none: return false
        case .loss: value = -metrics.loss
        case .accuracy: value = metrics.accuracy
        case .margin: value = metrics.margin
        }
        guard value.isFinite, value > best?.value ?? -.infinity else { return false }
        best = Best(batch: batch, value: value)
        return true
    }

    // MARK: In checkpoints

    /// What a checkpoint notes.
    var note: JSON {
        [
            "of": identity, "evaluated": .int(Int64(evaluated)), "batch": best.map { .int(Int64($0.batch)) } ?? .null,
            "value": best.map { .double($0.value) } ?? .null,
        ]
    }

    /// Takes up what a checkpoint noted of the same pairs.
    mutating func resume(_ note: JSON?) {
        guard let note, note["of"] == identity else { return }
        evaluated = note["evaluated"]?.int ?? 0
        if let batch = note["batch"]?.int, let value = note["value"]?.double { best = Best(batch: batch, value: value) }
    }
}

extension HeldOutMetrics {
    /// The value of `eval` in a line of metrics.jsonl; docs/train.md describes the fields.
    var json: JSON {
        func number(_ value: Double) -> JSON { value.isFinite ? .double(value) : .null }
        return [
            "pairs": .int(Int64(pairs)), "loss": number(loss), "accuracy": number(accuracy), "margin": number(margin),
            "logps_chosen": number(logpsChosen), "logps_rejected": number(logpsRejected),
            "reference_chosen": number(referenceChosen), "reference_rejected": number(referenceRejected),
            "sft_loss": number(sftLoss),
        ]
    }

    /// The values for TensorBoard.
    var scalars: [(String, Double)] {
        [
            ("eval/loss", loss), ("eval/accuracy", accuracy), ("eval/margin", margin),
            ("eval/logps_chosen", logpsChosen), ("eval/logps_rejected", logpsRejected), ("eval/sft_loss", sftLoss),
        ].filter { $0.1.isFinite }
    }

    /// A line for people.
    func line(after batch: Int, of batches: Int, isBest: Bool) -> String {
        func short(_ value: Double) -> String { FixedPoint.text(value, digits: 4) }
        return "held-out pairs after batch \(batch) of \(batches): loss \(short(loss)), accuracy \(short(accuracy)), "
            + "margin \(short(margin))\(isBest ? ", the best so far" : "")"
    }
}

extension TrainJob {
    /// The options with which the held-out pairs of a file are read; `nil` if there is none.
    var heldOutOptions: TrainOptions? {
        guard let path = options.evalData else { return nil }
        var own = options
        own.rows.data = path
        own.scores = nil
        own.minimumDelta = nil
        own.batchSize = 1
        own.rows.maximumRejected = nil
        return own
    }

    /// The held-out pairs: those of a file, or a share of `data`, which is taken from it.
    ///
    /// - Parameter reference: That of ``heldOutReference(_:_:_:)``.
    func heldOut(
        _ data: inout TrainingData, _ root: ImageRoot, _ reference: ReferenceSource?, run: RunOptions?,
        _ notice: (String) throws(DamaError) -> Void
    ) throws(DamaError) -> HeldOutPairs? {
        if let share = options.evalShare {
            let held = try data.holdOut(share: share, seed: options.seed, batchSize: options.batchSize)
            return HeldOutPairs(held, root, options, takesImages: policy.takesImages)
        }
        guard let own = heldOutOptions else { return nil }
        let root = try ImageRoot(own.rows)
        let held = try TrainingData(own, policy: policy, root: root, reference: reference) { () throws(DamaError) in
            try run?.check()
        }
        if let first = held.rejects.first {
            try notice("\(held.rejects.count) rows of \(own.data) cannot be scored, the first: \(first.text)")
        }
        return HeldOutPairs(held, root, options, takesImages: policy.takesImages)
    }
}
