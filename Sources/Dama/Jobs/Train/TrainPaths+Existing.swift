import DamaSupport
import DamaTraining

/// What is there already where a training job wants to write.
extension TrainPaths {
    /// Refuses, before anything is computed, to write over what no training job wrote, and over what this one reads.
    ///
    /// - Parameter base: the directory of the model that is trained.
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the file.
    func refuseUnsuitable(_ options: TrainOptions, base: String) throws(DamaError) {
        let ownReference =
            options.reference == nil && !options.method.loss.isReferenceFree ? JobPaths(output: reference) : nil
        var files = [metrics, rejects, summary]
        if let own = ownReference { files += [own.output, own.rejects, own.summary] }
        let directories = [checkpoints, tensorBoard, model] + (ownReference.map { [$0.partial] } ?? [])
        let inputs = [("data", options.data), ("scores", options.scores ?? ""), ("reference", options.reference ?? "")]
        for (name, input) in inputs where Files.exists(input) {
            for file in files where Files.areSame(file, input) {
                throw .invalidArgument(
                    "\(name), \(input), is a file that the job writes; name another folder than \(folder)")
            }
            for directory in directories where Files.isInside(input, directory) {
                throw .invalidArgument(
                    "\(name), \(input), lies in \(directory), which the job writes; name another folder than \(folder)")
            }
        }
        for file in files where Files.isThere(file) && (Files.isSymbolicLink(file) || !Files.isRegularFile(file)) {
            throw .invalidArgument("\(file) is not a regular file, and the job would write one there")
        }
        try ownReference?.refuseForeign()
        try refuseForeign(writesTensorBoard: options.writesTensorBoard)
        if options.export != .none { try ExportFolder.check(model, base: base, replaces: false) }
    }

    private func refuseForeign(writesTensorBoard: Bool) throws(DamaError) {
        func check(_ path: String, _ isOurs: Bool) throws(DamaError) {
            guard !isOurs else { return }
            throw .invalidArgument(
                "\(path) exists, and no training job wrote it; name another folder than \(folder), or remove it")
        }
        if Files.isThere(metrics) { try check(metrics, MetricsLog.isLog(metrics)) }
        if Files.isThere(rejects) { try check(rejects, Rejection.isFile(rejects)) }
        if Files.isThere(summary) {
            try check(summary, (try? Files.readJSON(summary))?["settings"]?["training"]?["job"]?.string == "train")
        }
        if writesTensorBoard, Files.isThere(tensorBoard) {
            for name in try Files.names(in: tensorBoard) {
                try check("\(tensorBoard)/\(name)", EventFileWriter.isEventFile(name))
            }
        }
    }

    /// Removes what earlier runs wrote, but for the checkpoints.
    func removeResults() {
        Files.remove(summary)
        for name in (try? Files.names(in: tensorBoard)) ?? [] where EventFileWriter.isOurs(name) {
            Files.remove("\(tensorBoard)/\(name)")
        }
    }

    /// Removes what a killed process left unfinished.
    func removeLeftovers() {
        for path in [summary, rejects, model] { Files.removeLeftovers(of: path) }
    }
}
