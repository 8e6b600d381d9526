import DamaModels
import DamaSupport
import DamaText

/// A block of rows, with responses split into sentences and images ready for the model.
struct ScoreBlock: RowBlock {
    /// The position of the first row in the dataset.
    var start: Int
    var rows: [Row]
    var stamps: [[ImageStamp]]
    /// Images by content, so that an image shared by several rows is decoded once.
    var images: [ContentKey: Image]

    enum Row: Sendable {
        case pair(Pair)
        case rejected(RowOutcome)
    }

    struct Pair: Sendable {
        var row: RawRow
        var id: JSON
        var image: ContentKey
        var imageName: String
        var chosen: [Sentence]
        var rejected: [Sentence]
        var flags: [String]
    }

    /// A sentence, identified by its bytes: Swift's `==` treats texts as equal that a tokenizer distinguishes.
    struct Sentence: Sendable {
        var text: String
        var key: ContentKey

        init(_ text: String) {
            self.text = text
            key = ContentKey(sentence: text)
        }
    }

    enum Image: Sendable {
        case prepared(PreparedImage)
        /// The file's bytes, if the cache held the embedding when the file was read.
        case bytes([UInt8])
        case broken(Rejection)
    }
}

/// The part of scoring that runs on the workers, ahead of the model.
struct ScorePreparation: Sendable {
    let encoder: any ImageTextEncoder
    let splitter: any ResponseSplitter
    let root: ImageRoot
    let options: ScoreOptions
    let cache: EmbeddingCache

    func block(_ rows: [RawRow], _ workers: Workers, _ stop: StopSignal) throws(DamaError) -> ScoreBlock {
        let results = try workers.map(rows) { row throws(DamaError) in
            try stop.check()
            var stamp: ImageStamp?
            let result = try RowFailure.result { () throws(RowFailure) in try read(row, &stamp, stop) }
            return (result: result, stamp: stamp)
        }
        var files: [ContentKey: [UInt8]] = [:]
        for case (.success(let (pair, bytes)), _) in results { files[pair.image] = bytes }
        // The order does not matter: images are prepared independently.
        let prepared = try workers.map(Array(files)) { file throws(DamaError) -> (ContentKey, ScoreBlock.Image) in
            try stop.check()
            return (file.key, cache.contains(file.key) ? .bytes(file.value) : image(file.value))
        }
        return ScoreBlock(
            start: rows.first?.index ?? 0,
            rows: zip(rows, results).map { row, result in
                switch result.result {
                case .success(let (pair, _)): .pair(pair)
                case .failure(let rejection):
                    .rejected(.rejected(row, id: PairRecord.identifier(of: row, names: options.fields), rejection))
                }
            },
            stamps: results.map { $0.stamp.map { [$0] } ?? [] }, images: Dictionary(uniqueKeysWithValues: prepared))
    }

    /// Decodes an image; an error becomes part of the result instead of being thrown.
    func image(_ bytes: [UInt8]) -> ScoreBlock.Image {
        do throws(DamaError) {
            return .prepared(try encoder.prepare(imageBytes: bytes))
        } catch {
            return .broken(Rejection(image: error))
        }
    }

    private func read(
        _ row: RawRow, _ stamp: inout ImageStamp?, _ stop: StopSignal
    ) throws(RowFailure) -> (ScoreBlock.Pair, [UInt8]) {
        let record = try RowFailure.parsing { () throws(Rejection) in try PairRecord(row, names: options.fields) }
        guard let image = record.images.first, record.images.count == 1 else {
            throw .row(
                Rejection(.severalImages, "the row has \(record.images.count) images; hardness is about one image"))
        }
        var flags: [String] = []
        let chosen = try sentences(record.chosen, record.chosenSubSentences, "chosen", &flags, stop)
        let rejected = try sentences(record.rejected, record.rejectedSubSentences, "rejected", &flags, stop)
        if record.chosen.hasSameBytes(as: record.rejected) { flags.append("same_response") }
        let bytes = try root.read(image, stamp: &stamp)
        let pair = ScoreBlock.Pair(
            row: RawRow(index: row.index, line: row.line, bytes: []), id: record.id,
            image: stamp?.digest ?? ContentKey(image: bytes), imageName: image.name,
            chosen: chosen.map { ScoreBlock.Sentence($0) },
            rejected: rejected.map { ScoreBlock.Sentence($0) }, flags: flags)
        return (pair, bytes)
    }

    // MARK: Sentences

    /// The sub-sentences of a response: those given in the data, or the splitter's. A given one that is too long for
    /// the model is split again.
    private func sentences(
        _ response: String, _ given: [String]?, _ name: String, _ flags: inout [String], _ stop: StopSignal
    ) throws(RowFailure) -> [String] {
        guard let given else { return try split(response, name, &flags, stop) }
        flags.append("\(name)_given")
        var sentences: [String] = []
        var wasDivided = false
        for sentence in given {
            if try tokenCount(sentence, name) <= encoder.tokenLimit {
                sentences.append(sentence)
            } else {
                wasDivided = true
                sentences += try split(sentence, name, &flags, stop)
            }
        }
        if wasDivided { flags.append("\(name)_divided") }
        return sentences
    }

    private func tokenCount(_ sentence: String, _ name: String) throws(RowFailure) -> Int {
        do {
            return try encoder.tokenCount(sentence)
        } catch {
            throw .row(Rejection(.cannotSplit, "the \(name) response cannot be read: \(error.message)"))
        }
    }

    private func split(
        _ response: String, _ name: String, _ flags: inout [String], _ stop: StopSignal
    ) throws(RowFailure) -> [String] {
        let result: SplitResponse
        do throws(DamaError) {
            let encoder = encoder
            result = try splitter.split(
                response, limit: TokenLimit(maximum: encoder.tokenLimit, count: encoder.tokenCount), stop: stop)
        } catch {
            // A fault of the response rejects its row; a splitter that failed or was stopped ends the job.
            guard error.code == .invalidArgument || error.code == .model else { throw .job(error) }
            throw .row(Rejection(.cannotSplit, "the \(name) response cannot be split: \(error.message)"))
        }
        guard !result.subSentences.isEmpty else {
            throw .row(Rejection(.emptyResponse, "the \(name) response has no words"))
        }
        for sentence in result.subSentences {
            let count = try tokenCount(sentence, name)
            guard count > encoder.tokenLimit else { continue }
            throw .row(
                Rejection(
                    .cannotSplit,
                    "the \(name) response has a sub-sentence of \(count) tokens that cannot be split; the model reads "
                        + "\(encoder.tokenLimit)"))
        }
        for flag in result.flags {
            let full = "\(name)_\(flag)"
            if !flags.contains(full) { flags.append(full) }
        }
        return result.subSentences
    }
}
