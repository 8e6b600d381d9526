import DamaModels
import DamaRuntime
import DamaSupport
import DamaTraining

extension TrainJob {
    /// The reference's log-probabilities; computed into the output folder if the options give none. `nil` for a loss
    /// without a reference.
    func reference(
        _ ranks: RankGroup, _ run: RunOptions?, _ observer: (TrainEvent) throws(DamaError) -> Void
    ) throws(DamaError) -> ReferenceSource? {
        if options.method.loss.isReferenceFree { return nil }
        guard let path = options.reference else {
            return try computedReference(options, paths.reference, ranks, run, observer)
        }
        return try ranks.agreeing { () throws(DamaError) in
            Files.areSame(path, options.data)
                ? try ReferenceSource(dataset: path, fields: options.fields)
                : .cache(try ReferenceCache(path: path, policy: policy))
        }
    }

    /// The same of the held-out pairs; `nil` also if they are not those of a file.
    func heldOutReference(
        _ ranks: RankGroup, _ run: RunOptions?, _ observer: (TrainEvent) throws(DamaError) -> Void
    ) throws(DamaError) -> ReferenceSource? {
        guard let own = heldOutOptions, !own.method.loss.isReferenceFree else { return nil }
        if let path = options.reference, Files.areSame(path, options.data) {
            return try ranks.agreeing { () throws(DamaError) in
                try ReferenceSource(dataset: own.data, fields: own.fields)
            }
        }
        return try computedReference(own, paths.heldOutReference, ranks, run, observer)
    }

    /// The reference's log-probabilities of the options' dataset, computed into `output`, or by several ranks into a file
    /// of each.
    private func computedReference(
        _ options: TrainOptions, _ output: String, _ ranks: RankGroup, _ run: RunOptions?,
        _ observer: (TrainEvent) throws(DamaError) -> Void
    ) throws(DamaError) -> ReferenceSource {
        let files =
            ranks.count == 1
            ? [output]
            : (0..<ranks.count).map {
                Shard(index: $0, count: ranks.count).path(of: output)
            }
        try ranks.agreeing { () throws(DamaError) in
            var job = ReferenceOptions(data: options.data, output: output)
            job.rows = options.rows
            job.rows.output = files[ranks.rank]
            job.rows.imageRoot = options.rows.imageFolder
            // Training applies the limit, to all rows that it cannot use.
            job.rows.maximumRejected = nil
            if ranks.count > 1 { job.shard = Shard(index: ranks.rank, count: ranks.count) }
            try withoutActuallyEscaping(observer) { observer throws(DamaError) in
                _ = try ReferenceJob(job, policy: policy).run(run: run) { progress throws(DamaError) in
                    try observer(.reference(progress))
                }
            }
        }
        return try ranks.agreeing { () throws(DamaError) in .cache(try ReferenceCache(paths: files, policy: policy)) }
    }
}
