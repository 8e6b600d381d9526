import DamaSupport
import DamaTraining

/// Checks of existing files at a training job's output paths.
extension TrainPaths {
    /// Refuses, before anything is computed, to overwrite files that no training job wrote, and files that this job
    /// reads.
    ///
    /// - Parameter base: The directory of the model to train.
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the file.
    func refuseUnsuitable(_ options: TrainOptions, base: String) throws(DamaError) {
        let ownReference =
            options.reference == nil && !options.method.loss.isReferenceFree ? JobPaths(output: reference) : nil
        var files = [metrics, rejects, summary] + (options.logsPairs ? [pairs] : [])
        let ownHeldOut =
            options.evalData != nil && !options.method.loss.isReferenceFree ? JobPaths(output: heldOutReference) : nil
        let references = [ownReference, ownHeldOut].compactMap { $0 }
        for own in references { files += [own.output, own.rejects, own.summary] }
        let directories = [checkpoints, tensorBoard, model] + references.map(\.partial)
        let inputs = [
            ("data", options.data), ("scores", options.scores ?? ""), ("reference", options.reference ?? ""),
            ("eval_data", options.evalData ?? ""),
        ]
        for (name, input) in inputs where Files.exists(input) {
            for file in files where Files.areSame(file, input) {
                throw .invalidArgument(
                    "\(name), \(input), is a file that the job writes; choose another folder than \(folder)")
            }
            for directory in directories where Files.isInside(input, directory) {
                throw .invalidArgument(
                    "\(name), \(input), is in \(directory), which the job writes; choose another folder than \(folder)")
            }
        }
        for file in files where Files.isThere(file) && (Files.isSymbolicLink(file) || !Files.isRegularFile(file)) {
            throw .invalidArgument("\(file) is not a regular file, and the job writes one to this path")
        }
        for own in references { try own.refuseForeign() }
        try refuseForeign(options)
        if options.export != .none { try ExportFolder.check(model, base: base, replaces: false) }
    }

    private func refuseForeign(_ options: TrainOptions) throws(DamaError) {
        func check(_ path: String, _ isOurs: Bool) throws(DamaError) {
            guard !isOurs else { return }
            throw .invalidArgument(
                "\(path) exists, and no training job wrote it; choose another folder than \(folder), or remove it")
        }
        for log in [metrics] + (options.logsPairs ? [pairs] : []) where Files.isThere(log) {
            try check(log, MetricsLog.isLog(log))
        }
        if Files.isThere(rejects) { try check(rejects, Rejection.isFile(rejects)) }
        if Files.isThere(summary) {
            try check(summary, (try? Files.readJSON(summary))?["settings"]?["training"]?["job"]?.string == "train")
        }
        if options.writesTensorBoard, Files.isThere(tensorBoard) {
            for name in try Files.names(in: tensorBoard) {
                try check("\(tensorBoard)/\(name)", EventFileWriter.isEventFile(name))
            }
        }
    }

    /// Removes the results of earlier runs, except for the checkpoints.
    func removeResults() {
        Files.remove(summary)
        for name in (try? Files.names(in: tensorBoard)) ?? [] where EventFileWriter.isOurs(name) {
            Files.remove("\(tensorBoard)/\(name)")
        }
    }

    /// Removes temporary files that a killed process left behind.
    func removeLeftovers() {
        for path in [summary, rejects, model] { Files.removeLeftovers(of: path) }
    }
}
