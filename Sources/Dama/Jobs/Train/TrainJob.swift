import DamaKernels
import DamaModels
import DamaPreference
import DamaRuntime
import DamaSupport
import DamaTraining

/// Runs Algorithm 1 over a dataset: shuffled epochs of training steps, with checkpoints, metrics and an exported model.
///
/// ```swift
/// var options = TrainOptions(data: "pairs.jsonl", output: "aligned")
/// options.scores = "scores.jsonl"
/// let summary = try TrainJob(options, policy: Policy(directory: "llava")).run()
/// ```
///
/// A job that was stopped or killed at any moment resumes from its last valid checkpoint when it is run again with the
/// same options. It ends with the same weights bit for bit, given the same number of threads.
public struct TrainJob: Sendable {
    let options: TrainOptions
    let policy: Policy
    let paths: TrainPaths

    /// - Parameter policy: The model to train. It is also the reference, because its own weights do not change.
    public init(_ options: TrainOptions, policy: Policy) {
        self.options = options
        self.policy = policy
        paths = TrainPaths(folder: options.output)
    }

    /// Runs the job to completion.
    ///
    /// - Parameters:
    ///   - run: Lets another thread stop the job inside a step.
    ///   - observer: Called with every event on the calling thread. If it throws, the job writes a checkpoint and
    ///     stops.
    /// - Throws: ``DamaError/Code/invalidArgument`` if the output folder holds another job, naming the settings that
    ///   differ; ``DamaError/cancelled`` if the job was stopped.
    @discardableResult
    public func run(
        run: RunOptions? = nil, observer: (TrainEvent) throws(DamaError) -> Void = { _ in }
    ) throws(DamaError) -> TrainSummary {
        try options.check()
        try paths.refuseUnsuitable(options, base: policy.directory)
        try policy.checkResponses()
        try Files.makeDirectory(options.output)
        let folder = try JobFolder(path: paths.checkpoints, isOurs: CheckpointFolder.isOurs)
        folder.removeTemporaryFiles()
        paths.removeLeftovers()
        let checkpoints = CheckpointFolder(path: paths.checkpoints, limit: options.checkpointsKept)
        if options.restart {
            checkpoints.removeAll()
            paths.removeResults()
        }
        // Options that cannot be trained are rejected before the reference is computed.
        let trained = try makeTrained()
        let root = try ImageRoot(options.rows)
        var data = try TrainingData(
            options, policy: policy, root: root, reference: try reference(run, observer)
        ) { () throws(DamaError) in try run?.check() }
        let identity = try options.identity(
            policy: try policy.identity(), contents: data.contents, images: data.imagesDigest)
        if let summary = try finished(identity) { return summary }

        var held = try heldOut(&data, root, run: run, observer)
        let batches = options.batches(pairs: data.items.count)
        let trainer = try makeTrainer(trained, batches: batches)
        let accept = { (note: JSON) throws(DamaError) in
            try Self.refuse(note["identity"], identity, "\(paths.folder) holds a training job")
        }
        var heldOutNote: JSON?
        var batch =
            try checkpoints.load(into: trainer, last: batches) { note throws(DamaError) in
                try accept(note)
                heldOutNote = note["held_out"]
            } warn: { line throws(DamaError) in
                try observer(.notice(line))
            } ?? 0
        if batch > 0 { held?.resume(heldOutNote) }
        if batch > 0 { try observer(.notice("resuming after batch \(batch) of \(batches)")) }
        try writeRejects(data, observer)

        let metrics = try MetricsLog(path: paths.metrics, after: batch)
        let log = options.logsPairs ? try MetricsLog(path: paths.pairs, after: batch) : nil
        let events =
            options.writesTensorBoard
            ? try EventFileWriter(directory: paths.tensorBoard, resumingAt: batch > 0 ? batch + 1 : nil) : nil
        let start = monotonicSeconds()
        let first = batch
        var saved = batch
        func save() throws(DamaError) {
            guard saved != batch else { return }
            try metrics.synchronize()
            try log?.synchronize()
            var note: [JSONObject.Member] = [("batch", .int(Int64(batch))), ("identity", identity)]
            if let held { note.append(("held_out", held.note)) }
            try checkpoints.save(trainer, batch: batch, note: .object(JSONObject(note)))
            saved = batch
        }
        func scoreHeldOut() throws(DamaError) {
            guard held?.isDue(after: batch, of: batches) == true,
                let found = try held?.score(trainer, after: batch, run: run)
            else { return }
            let isBest = held?.isBest(found, after: batch) == true
            try metrics.append([
                "step": .int(Int64(clamping: trainer.steps)), "batch": .int(Int64(batch)), "eval": found.json,
            ])
            try events?.add(step: batch, scalars: found.scalars)
            if isBest {
                try trainer.save(to: checkpoints.best, note: ["batch": .int(Int64(batch)), "identity": identity])
            }
            try observer(.notice(found.line(after: batch, of: batches, isBest: isBest)))
        }
        let order = BatchOrder(options, pairs: data.items.count)
        let (items, takesImages) = (data, policy.takesImages)
        let source = try BatchSource(order, batch..<max(batch, batches), policy: policy) { index throws(DamaError) in
            try items.pair(index, root, takesImage: takesImages)
        }
        defer { source.close() }
        do throws(DamaError) {
            // A run may have ended between a batch and its held-out pairs.
            try scoreHeldOut()
            while batch < batches {
                let asked = monotonicSeconds()
                let next = try source.next { () throws(DamaError) in try run?.check() }
                let waited = monotonicSeconds() - asked
                var found = try trainer.step(next.pairs, prepared: next.prepared, run: run)
                found.seconds.prepare += waited
                batch += 1
                try metrics.append(found.json(batch: batch, epoch: order.epoch(of: batch - 1)))
                if let log, let step = trainer.lastStep {
                    try log.append(
                        step.json(batch: batch, found.step, ids: next.indices.map { data.items[$0].record.id }))
                }
                try events?.add(step: batch, scalars: found.scalars)
                try scoreHeldOut()
                if batch % options.checkpointEvery == 0 || batch == batches { try save() }
                let seconds = monotonicSeconds() - start
                try observer(
                    .progress(
                        TrainProgress(
                            batch: batch, batches: batches, epoch: order.epoch(of: batch - 1), metrics: found,
                            seconds: seconds, batchesPerSecond: Double(batch - first) / max(seconds, 1e-9))))
            }
            try save()
        } catch {
            // Keeps the completed batches, unless writing files is what failed.
            if saved != batch, error.code != .io { try save() }
            throw error
        }
        let counts = (steps: trainer.steps, skipped: trainer.skipped)
        if options.exportsBest { try trainer.load(from: checkpoints.best, accept: accept) }
        return try finish(trainer, counts, data, identity, batches: batches, best: held?.best?.batch)
    }

    // MARK: Before

    /// The reference's log-probabilities; computed into the output folder if the options give none.
    private func reference(
        _ run: RunOptions?, _ observer: (TrainEvent) throws(DamaError) -> Void
    ) throws(DamaError) -> ReferenceSource? {
        if options.method.loss.isReferenceFree { return nil }
        if let path = options.reference {
            if Files.areSame(path, options.data) {
                return try ReferenceSource(dataset: path, fields: options.fields)
            }
            return .cache(try ReferenceCache(path: path, policy: policy))
        }
        return try computedReference(options, paths.reference, run, observer)
    }

    /// The reference's log-probabilities of the options' dataset, computed into `output`.
    func computedReference(
        _ options: TrainOptions, _ output: String, _ run: RunOptions?,
        _ observer: (TrainEvent) throws(DamaError) -> Void
    ) throws(DamaError) -> ReferenceSource {
        var job = ReferenceOptions(data: options.data, output: output)
        job.rows = options.rows
        job.rows.output = output
        job.rows.imageRoot = options.rows.imageFolder
        // Training applies the limit, to all rows that it cannot use.
        job.rows.maximumRejected = nil
        try withoutActuallyEscaping(observer) { observer throws(DamaError) in
            _ = try ReferenceJob(job, policy: policy).run(run: run) { progress throws(DamaError) in
                try observer(.reference(progress))
            }
        }
        return .cache(try ReferenceCache(path: output, policy: policy))
    }

    private func makeTrained() throws(DamaError) -> TrainedPolicy {
        do {
            return try TrainedPolicy(
                policy, options.trainable, activations: options.activations, seed: options.seed,
                offloads: options.offload)
        } catch {
            throw MemoryAdvice.explain(error, policy, options.trainable, options.plannedStep(on: policy.options))
        }
    }

    private func makeTrainer(_ trained: TrainedPolicy, batches: Int) throws(DamaError) -> Trainer {
        var trainerOptions = TrainerOptions()
        trainerOptions.optimizer = options.optimizer
        trainerOptions.schedule = try LearningRateSchedule(
            options.schedule, learningRate: options.optimizer.learningRate, totalSteps: UInt64(batches),
            warmUp: options.warmUp)
        trainerOptions.maximumGradientNorm = options.maximumGradientNorm
        trainerOptions.tokensPerRun = options.tokensPerRun
        trainerOptions.threads = options.threads
        trainerOptions.sftWeight = options.sftWeight
        return try Trainer(
            trained, reference: nil, controller: AdaptiveBeta(options.method), options: trainerOptions)
    }

    private func writeRejects(
        _ data: TrainingData, _ observer: (TrainEvent) throws(DamaError) -> Void
    ) throws(DamaError) {
        guard !data.rejects.isEmpty else {
            Files.remove(paths.rejects)
            return
        }
        try Files.writeAtomically(data.rejects.flatMap { Array("\($0.text)\n".utf8) }, to: paths.rejects)
        try observer(
            .notice("\(data.rejects.count) of \(data.contents.rowCount) rows were rejected; see \(paths.rejects)"))
    }

    // MARK: The end

    /// The summary of an earlier run that finished the same job; `nil` if there is none.
    private func finished(_ identity: JSON) throws(DamaError) -> TrainSummary? {
        guard Files.exists(paths.summary) else { return nil }
        let json = try Files.readJSON(paths.summary)
        let found = json["settings"] ?? .null
        try Self.refuse(found["training"], identity, "\(paths.folder) holds a finished training job")
        // A different export of the same training does not require training again.
        guard found == exportIdentity(identity) else { return nil }
        if options.export != .none, !Files.isDirectory(paths.model) { return nil }
        guard let batches = json["batches"]?.int, let steps = json["steps"]?.int, let skipped = json["skipped"]?.int,
            let pairs = json["pairs"]?.int, let rejected = json["rows_rejected"]?.int,
            min(batches, steps, skipped, pairs, rejected) >= 0
        else { throw .model("\(paths.summary) is not the summary of a training job; restart the job to replace it") }
        return TrainSummary(
            batches: batches, steps: UInt64(steps), skipped: UInt64(skipped), pairs: pairs,
            rowsRejected: rejected, exported: options.export == .none ? nil : paths.model, wasComplete: true)
    }

    private func exportIdentity(_ identity: JSON) -> JSON {
        let report = TrainOptions.table.values(of: options, .report).filter { $0.value != .null }
        return .object(JSONObject([("training", identity)] + report))
    }

    /// Refuses to resume a job with other settings, naming them.
    private static func refuse(_ found: JSON?, _ identity: JSON, _ what: String) throws(DamaError) {
        guard found?["format"] == identity["format"] else {
            throw .invalidArgument(
                "\(what) of an older or newer version of libdama, whose settings cannot be compared with these; restart "
                    + "the job to replace it, or choose another folder")
        }
        let differences = settingsDifferences(found ?? .null, identity)
        guard differences.isEmpty else {
            throw .invalidArgument(
                "\(what) with \(differences.joined(separator: "; ")); restart the job to replace it")
        }
    }

    private func finish(
        _ trainer: Trainer, _ counts: (steps: UInt64, skipped: UInt64), _ data: TrainingData, _ identity: JSON,
        batches: Int, best: Int?
    ) throws(DamaError) -> TrainSummary {
        try export(trainer.policy)
        let summary = TrainSummary(
            batches: batches, steps: counts.steps, skipped: counts.skipped, pairs: data.items.count,
            rowsRejected: data.rejects.count, exported: options.export == .none ? nil : paths.model)
        var json: [JSONObject.Member] = [
            ("batches", .int(Int64(batches))), ("steps", .int(Int64(clamping: summary.steps))),
            ("skipped", .int(Int64(clamping: summary.skipped))), ("pairs", .int(Int64(summary.pairs))),
            ("rows_rejected", .int(Int64(summary.rowsRejected))), ("settings", exportIdentity(identity)),
        ]
        if let best { json.append(("best_batch", .int(Int64(best)))) }
        try Files.writeAtomically(Array("\(JSON.object(JSONObject(json)).text)\n".utf8), to: paths.summary)
        return summary
    }

    private func export(_ trained: TrainedPolicy) throws(DamaError) {
        var exportOptions = ExportOptions()
        exportOptions.type = options.exportType
        switch options.export {
        case .none: break
        case .model: try trained.export(to: paths.model, options: exportOptions)
        case .adapter: try trained.exportAdapters(to: paths.model, options: exportOptions)
        }
    }
}
