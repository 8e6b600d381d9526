import DamaModels
import DamaSupport
import DamaTraining

/// The pairs of a training job: the dataset's rows, joined with their hardness and the reference's log-probabilities.
/// Images stay in their files.
struct TrainingData: Sendable {
    struct Item: Sendable {
        /// The row, whose images are read from their files again in every step.
        var record: PairRecord
        /// The messages as the policy takes them.
        var messages: [ChatMessage]
        /// The keys of the images' bytes; empty for a text-only model.
        var images: [ContentKey]
        /// The position of the row in the dataset, if the row embeds an image.
        var place: (offset: Int, count: Int)?
        var alphaData = 1.0
        var hardnessThird: Int?
        var reference: (chosen: Double, rejected: Double)?
    }

    private(set) var items: [Item] = []
    /// The rejected rows, each as a line for the rejects file.
    private(set) var rejects: [JSON] = []
    /// The number of pairs below ``TrainOptions/minimumDelta``.
    private(set) var leftOut = 0
    private(set) var contents: DatasetContents
    private let source: DatasetBytes
    private let fields: FieldNames

    /// The digest of all images, in the order of their pairs. It detects changed images, which the dataset's hash does
    /// not.
    var imagesDigest: String {
        var writer = ByteWriter()
        for item in items {
            for image in item.images.isEmpty ? [ContentKey()] : item.images { image.append(to: &writer) }
        }
        return SHA256.hex(of: writer.bytes)
    }

    /// Reads the dataset and joins it with scores and reference.
    ///
    /// - Parameters:
    ///   - reference: Found by the contents of pairs, or by `id` if it has no keys; `nil` for a loss without a
    ///     reference.
    ///   - checkpoint: Called regularly; an error it throws stops the job.
    /// - Throws: An error if the scores or the cache belong to other data, naming the first pair that differs.
    init(
        _ options: TrainOptions, policy: Policy, root: ImageRoot, reference: ReferenceSource?,
        checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) {
        let scores = try options.scores.map { path throws(DamaError) in
            if Files.areSame(path, options.data) {
                return try ScoreTable(dataset: path, fields: options.fields, meanDelta: options.meanDelta)
            }
            return try ScoreTable(path: path, meanDelta: options.meanDelta)
        }
        source = try DatasetBytes(path: options.data)
        fields = options.fields
        var reader = try RowReader(path: options.data)
        var block: [RawRow] = []
        contents = DatasetContents(sha256: "", byteCount: 0, rowCount: 0)
        let workers = Workers(count: 0)
        var isAtEnd = false
        while !isAtEnd {
            if let row = try reader.next() { block.append(row) } else { isAtEnd = true }
            guard block.count == 256 || isAtEnd else { continue }
            let found = try workers.map(block) { row throws(DamaError) in
                try RowFailure.result { () throws(RowFailure) in try Self.read(row, options, policy, root, reference) }
            }
            for (row, result) in zip(block, found) {
                switch result {
                case .success(var item):
                    if let scores {
                        guard let score = scores[item.record.id] else {
                            reject(row, options, Rejection(.noScore, "the scores have no line for this id"))
                            continue
                        }
                        if let limit = options.minimumDelta, score.delta < limit {
                            leftOut += 1
                            continue
                        }
                        item.alphaData = score.alphaData
                        item.hardnessThird = score.third
                    }
                    items.append(item)
                case .failure(let rejection): reject(row, options, rejection)
                }
            }
            block.removeAll(keepingCapacity: true)
            if let limit = options.maximumRejected, rejects.count > limit {
                throw .model(
                    "\(rejects.count) rows of \(options.data) were rejected, more than the \(limit) allowed; "
                        + "the last: \(rejects.last?.text ?? "")")
            }
            try checkpoint()
        }
        contents = reader.contents
        guard contents.rowCount > 0 else { throw .invalidArgument("\(options.data) holds no rows") }
        guard items.count >= options.batchSize else {
            var left = rejects.isEmpty ? "" : "; \(rejects.count) rows were rejected, the first: \(rejects[0].text)"
            if leftOut > 0 { left += "; \(leftOut) are below min_delta" }
            throw .invalidArgument(
                "\(options.data) has \(items.count) pairs to train on, fewer than batch_size, \(options.batchSize)\(left)"
            )
        }
    }

    /// Takes a share of the pairs, chosen by `seed` alone, out of these; both keep the order of the file.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` if fewer than `batchSize` pairs are left.
    mutating func holdOut(share: Double, seed: UInt64, batchSize: Int) throws(DamaError) -> TrainingData {
        let count = max(1, Int((Double(items.count) * share).rounded()))
        guard items.count - count >= batchSize else {
            throw .invalidArgument(
                "eval_share \(share) holds out \(count) of \(items.count) pairs, which leaves fewer than batch_size, "
                    + "\(batchSize)")
        }
        // A stream of its own: the order of the batches must not depend on it.
        var generator = RandomGenerator(seed: seed, stream: 0xE7A1)
        let chosen = Set(generator.permutation(of: items.count).prefix(count))
        var held = self
        held.items = items.indices.filter { chosen.contains($0) }.map { items[$0] }
        items = items.indices.filter { !chosen.contains($0) }.map { items[$0] }
        return held
    }

    private mutating func reject(_ row: RawRow, _ options: TrainOptions, _ rejection: Rejection) {
        rejects.append(rejection.line(of: row, id: PairRecord.identifier(of: row, names: options.fields)))
    }

    private static func read(
        _ row: RawRow, _ options: TrainOptions, _ policy: Policy, _ root: ImageRoot, _ reference: ReferenceSource?
    ) throws(RowFailure) -> Item {
        // Images are read now, so that a missing one is reported at the start and not in a later epoch.
        var stamps: [ImageStamp] = []
        let pair = try PolicyRow(row, names: options.fields, root: root, policy: policy, stamps: &stamps)
        var item = Item(
            record: pair.record, messages: pair.prompt.messages,
            images: pair.prompt.images.map { ContentKey(image: $0) })
        item.record.messages = nil
        for index in pair.record.images.indices {
            guard case .bytes = pair.record.images[index] else { continue }
            // Image bytes are not kept in memory, including those embedded in rows.
            item.record.images[index] = .bytes([])
            item.place = (row.offset, row.bytes.count)
        }
        guard let reference else {
            do throws(DamaError) {
                try policy.checkTexts(of: pair.pair(images: []), images: pair.prompt.images.count)
            } catch {
                throw .row(Rejection(.doesNotFit, error.message))
            }
            return item
        }
        let entry: ReferenceEntry?
        do throws(DamaError) {
            entry = try reference.entry(key: pair.key, id: pair.record.id)
        } catch {
            throw .job(error)
        }
        guard let entry else {
            throw .row(Rejection(.noReference, "\(reference.path) has no log-probabilities of this pair"))
        }
        item.reference = (entry.logProbabilities.chosen.sum, entry.logProbabilities.rejected.sum)
        return item
    }

    /// A pair as the trainer takes it, with its image read again.
    func pair(_ index: Int, _ root: ImageRoot, takesImage: Bool) throws(DamaError) -> TrainingPair {
        let item = items[index]
        var images: [ImageSource] = []
        if takesImage {
            do throws(RowFailure) {
                for (image, key) in zip(try self.images(of: item), item.images) {
                    var stamp: ImageStamp?
                    let bytes = try root.read(image, stamp: &stamp)
                    guard stamp?.digest ?? ContentKey(image: bytes) == key else {
                        throw .job(.io("pair \(item.record.id.text): \(image.name) has changed since the job began"))
                    }
                    images.append(.bytes(bytes))
                }
            } catch {
                switch error {
                case .row(let rejection): throw .io("pair \(item.record.id.text): \(rejection.reason)")
                case .job(let error): throw error
                }
            }
        }
        return TrainingPair(
            PreferencePair(
                images: images, messages: item.messages, chosen: item.record.chosen, rejected: item.record.rejected),
            alphaData: item.alphaData, hardnessThird: item.hardnessThird, reference: item.reference)
    }

    private func images(of item: Item) throws(RowFailure) -> [RowImage] {
        guard let place = item.place else { return item.record.images }
        let bytes: [UInt8]
        do throws(DamaError) {
            bytes = try source.read(place.offset, place.count)
        } catch {
            throw .job(error)
        }
        return try RowFailure.parsing { () throws(Rejection) in
            try PairRecord.images(
                in: PairRecord.object(RawRow(index: 0, line: 1, bytes: bytes)), names: fields)
        }
    }
}
