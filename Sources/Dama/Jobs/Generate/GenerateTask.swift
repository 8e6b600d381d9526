import DamaImage
import DamaModels
import DamaRuntime
import DamaSupport

/// A question that is tokenised and decoded.
struct PreparedQuestion: Sendable {
    var id: JSON
    var prompt: PreparedPrompt
}

/// Generation as a job over rows.
struct GenerateTask: RowTask {
    let policy: Policy
    let root: ImageRoot
    let options: GenerateOptions
    /// Lets another thread stop the model.
    let run: RunOptions?

    /// Blocks are independent.
    var state: [UInt8] { [] }

    mutating func commit() throws(DamaError) {}

    func makePreparer(
        stop: StopSignal
    ) -> @Sendable ([RawRow], Workers) throws(DamaError) -> PolicyBlock<PreparedQuestion> {
        let task = self
        return PolicyBlock.preparer(stop: stop, names: options.fields) {
            (row, images, stamps) throws(RowFailure) in try task.read(row, images, &stamps)
        }
    }

    private func read(
        _ row: RawRow, _ images: PreparedImages, _ stamps: inout [ImageStamp]
    ) throws(RowFailure) -> PreparedQuestion {
        let record = try RowFailure.parsing { () throws(Rejection) in
            try QuestionRecord(row, names: options.fields, takesImage: policy.takesImages)
        }
        let read = try PolicyPrompt(record.messages, record.images, root: root, policy: policy, stamps: &stamps)
        var prompt = try RowFailure.sorting { () throws(DamaError) in
            try policy.prepare(
                GenerationRequest(images: read.images.map { .bytes($0) }, messages: read.messages), sharing: images)
        }
        prompt.streams = (0..<options.samples).map { GenerateOptions.stream(row: row.index, sample: $0) }
        return PreparedQuestion(id: record.id, prompt: prompt)
    }

    mutating func process(
        _ block: PolicyBlock<PreparedQuestion>, checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> [RowOutcome] {
        let prompts = block.items.map(\.prompt)
        try checkpoint()
        let found =
            prompts.isEmpty
            ? []
            : try policy.generate(
                prepared: prompts, options.generation, stop: options.stop, run: run,
                onText: { (_, _) throws(DamaError) in try checkpoint() }, onStep: checkpoint)
        var next = 0
        return block.rows.map { row in
            switch row {
            case .rejected(let outcome): return outcome
            case .item(let question):
                let responses = found[next..<next + options.samples]
                next += options.samples
                return .line(
                    line(question.id, Array(responses)), isCut: responses.contains { $0.finish == .length })
            }
        }
    }

    private func line(_ id: JSON, _ responses: [Policy.Generated]) -> [UInt8] {
        let texts = responses.map { JSON.string($0.text) }
        let finishes = responses.map { JSON.string($0.finish.rawValue) }
        let json: JSON =
            options.samples == 1
            ? ["id": id, "response": texts[0], "finish": finishes[0]]
            : ["id": id, "responses": .array(texts), "finish": .array(finishes)]
        return Array(json.text.utf8)
    }
}
