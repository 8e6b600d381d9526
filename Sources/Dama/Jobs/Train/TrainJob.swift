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

    /// - Parameters:
    ///   - options: The data, the settings and the output.
    ///   - policy: The model to train. It is also the reference, because its own weights do not change.
    public init(_ options: TrainOptions, policy: Policy) {
        self.options = options
        self.policy = policy
        paths = TrainPaths(folder: options.output)
    }

    /// Runs the job to completion.
    ///
    /// - Parameters:
    ///   - ranks: The processes that run the same job together, with the same output folder; by default only this one.
    ///     The first of them writes the folder. Another number of ranks may resume the job: the weights then differ by
    ///     the order of sums alone.
    ///   - run: Lets another thread stop the job inside a step.
    ///   - observer: Called with every event on the calling thread. If it throws, the job writes a checkpoint and
    ///     stops, on all ranks.
    /// - Throws: ``DamaError/Code/invalidArgument`` if the output folder holds another job, naming the settings that
    ///   differ; ``DamaError/cancelled`` if the job was stopped, or another rank failed.
    @discardableResult
    public func run(
        ranks: RankGroup = RankGroup(), run: RunOptions? = nil,
        observer: (TrainEvent) throws(DamaError) -> Void = { _ in }
    ) throws(DamaError) -> TrainSummary {
        do throws(DamaError) {
            return try train(ranks, run, observer)
        } catch {
            ranks.fail(with: error)
            throw error
        }
    }

    private func train(
        _ ranks: RankGroup, _ run: RunOptions?, _ observer: (TrainEvent) throws(DamaError) -> Void
    ) throws(DamaError) -> TrainSummary {
        func notice(_ line: String) throws(DamaError) { if ranks.isFirst { try observer(.notice(line)) } }
        let checkpoints = CheckpointFolder(path: paths.checkpoints, limit: options.checkpointsKept)
        var folder: JobFolder?
        let trained = try ranks.agreeing { () throws(DamaError) in
            try options.check()
            try policy.checkResponses()
            if ranks.isFirst { folder = try open(checkpoints) }
            // Options that cannot be trained are rejected before the reference is computed.
            return try makeTrained()
        }
        defer { _ = folder.take() }
        let source = try reference(ranks, run, observer)
        let heldOutSource = try heldOutReference(ranks, run, observer)

        let (root, whole, identity, done) = try ranks.agreeing { () throws(DamaError) in
            let root = try ImageRoot(options.rows)
            let data = try TrainingData(options, policy: policy, root: root, reference: source) {
                () throws(DamaError) in try run?.check()
            }
            let identity = try options.identity(
                policy: try policy.identity(), contents: data.contents, images: data.imagesDigest)
            return (root, data, identity, try finished(identity))
        }
        try ranks.requireSame(
            identity.text, "has another model, other data or other options")
        try ranks.requireSame(done == nil ? "" : "done", "does not see the same \(paths.summary)")
        if let done { return done }

        var data = whole
        var held = try ranks.agreeing { () throws(DamaError) in
            try heldOut(&data, root, heldOutSource, run: run, notice)
        }
        let batches = options.batches(pairs: data.items.count)
        let trainer = try makeTrainer(trained, batches: batches, ranks)
        let accept = { (note: JSON) throws(DamaError) in
            try Self.refuse(note["identity"], identity, "\(paths.folder) holds a training job")
        }
        var heldOutNote: JSON?
        var batch = try ranks.agreeing { () throws(DamaError) in
            try checkpoints.load(into: trainer, last: batches) { note throws(DamaError) in
                try accept(note)
                heldOutNote = note["held_out"]
            } warn: { line throws(DamaError) in
                try notice(line)
            } ?? 0
        }
        try ranks.requireSame(
            String(batch), "does not see the same checkpoints: all ranks need \(paths.folder) on one file system")
        if data.leftOut > 0, let limit = options.minimumDelta {
            try notice("\(data.leftOut) pairs have a delta below \(limit) and are not trained on")
        }
        if batch > 0 { held?.resume(heldOutNote) }
        if batch > 0 { try notice("resuming after batch \(batch) of \(batches)") }

        var results: TrainResults?
        if ranks.isFirst {
            try writeRejects(data, observer)
            results = try TrainResults(options, paths, after: batch)
        }
        let start = monotonicSeconds()
        let first = batch
        var saved = batch
        func save() throws(DamaError) {
            guard saved != batch else { return }
            guard let results else {
                saved = batch
                return
            }
            try results.synchronize()
            var note: [JSONObject.Member] = [("batch", .int(Int64(batch))), ("identity", identity)]
            if let held { note.append(("held_out", held.note)) }
            try checkpoints.save(trainer, batch: batch, note: .object(JSONObject(note)))
            saved = batch
        }
        func scoreHeldOut() throws(DamaError) {
            guard held?.isDue(after: batch, of: batches) == true,
                let found = try held?.score(trainer, ranks, after: batch, run: run)
            else { return }
            let isBest = held?.isBest(found, after: batch) == true
            guard let results else { return }
            try results.add(found, step: trainer.steps, batch: batch)
            if isBest {
                try trainer.save(to: checkpoints.best, note: ["batch": .int(Int64(batch)), "identity": identity])
            }
            try notice(found.line(after: batch, of: batches, isBest: isBest))
        }
        let order = BatchOrder(options, pairs: data.items.count)
        let (items, takesImages) = (data, policy.takesImages)
        let (rank, rankCount) = (ranks.rank, ranks.count)
        let batchSource = try BatchSource(order, batch..<max(batch, batches), policy: policy) {
            RankGroup.share(of: $0, rank: rank, count: rankCount)
        } read: { index throws(DamaError) in
            try items.pair(index, root, takesImage: takesImages)
        }
        defer { batchSource.close() }
        do throws(DamaError) {
            // A run may have ended between a batch and its held-out pairs.
            try scoreHeldOut()
            while batch < batches {
                let asked = monotonicSeconds()
                let next = try batchSource.next { () throws(DamaError) in try run?.check() }
                let waited = monotonicSeconds() - asked
                var found = try trainer.step(next.pairs, prepared: next.prepared, run: run)
                found.seconds.prepare += waited
                let epoch = order.epoch(of: batch)
                batch += 1
                try results?.add(
                    found, trainer.lastStep, batch: batch, epoch: epoch,
                    ids: next.indices.map { data.items[$0].record.id })
                try scoreHeldOut()
                if batch % options.checkpointEvery == 0 || batch == batches { try save() }
                let seconds = monotonicSeconds() - start
                try observer(
                    .progress(
                        TrainProgress(
                            batch: batch, batches: batches, epoch: epoch, metrics: found, seconds: seconds,
                            batchesPerSecond: Double(batch - first) / max(seconds, 1e-9))))
            }
            try save()
        } catch {
            // Keeps the completed batches, unless writing files is what failed.
            if saved != batch, error.code != .io { try save() }
            throw error
        }
        let summary = TrainSummary(
            batches: batches, steps: trainer.steps, skipped: trainer.skipped, pairs: data.items.count,
            rowsRejected: data.rejects.count, exported: options.export == .none ? nil : paths.model)
        try ranks.agreeing { () throws(DamaError) in
            guard ranks.isFirst else { return }
            if options.exportsBest { try trainer.load(from: checkpoints.best, accept: accept) }
            try finish(trainer, summary, identity, best: held?.best?.batch)
        }
        return summary
    }

    // MARK: Before

    /// Makes the output folder this job's, and removes what an earlier run left that this one does not go on with.
    private func open(_ checkpoints: CheckpointFolder) throws(DamaError) -> JobFolder {
        try paths.refuseUnsuitable(options, base: policy.directory)
        try Files.makeDirectory(options.output)
        let folder = try JobFolder(path: paths.checkpoints, isOurs: CheckpointFolder.isOurs)
        folder.removeTemporaryFiles()
        paths.removeLeftovers()
        if options.restart {
            checkpoints.removeAll()
            paths.removeResults()
        }
        return folder
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

    private func makeTrainer(
        _ trained: TrainedPolicy, batches: Int, _ ranks: RankGroup
    ) throws(DamaError) -> Trainer {
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
            trained, reference: nil, controller: AdaptiveBeta(options.method), options: trainerOptions,
            ranks: ranks)
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
        _ trainer: Trainer, _ summary: TrainSummary, _ identity: JSON, best: Int?
    ) throws(DamaError) {
        try export(trainer.policy)
        var json: [JSONObject.Member] = [
            ("batches", .int(Int64(summary.batches))), ("steps", .int(Int64(clamping: summary.steps))),
            ("skipped", .int(Int64(clamping: summary.skipped))), ("pairs", .int(Int64(summary.pairs))),
            ("rows_rejected", .int(Int64(summary.rowsRejected))), ("settings", exportIdentity(identity)),
        ]
        if let best { json.append(("best_batch", .int(Int64(best)))) }
        try Files.writeAtomically(Array("\(JSON.object(JSONObject(json)).text)\n".utf8), to: paths.summary)
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
