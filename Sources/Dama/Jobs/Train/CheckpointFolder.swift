import DamaSupport
import DamaTraining

/// The checkpoints of a training job: one file each, named after the number of batches completed by then.
struct CheckpointFolder {
    let path: String
    /// The number of checkpoints to keep.
    let limit: Int

    func file(_ batch: Int) -> String {
        let digits = String(batch)
        return "\(path)/\(String(repeating: "0", count: max(0, 8 - digits.count)))\(digits).safetensors"
    }

    /// Whether a file of this name is a checkpoint, or the temporary file of one.
    static func isOurs(_ name: String) -> Bool {
        let best = "best.safetensors"
        if name == best || name == Files.temporary(for: best) { return true }
        let digits = name.utf8.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        let rest = name.utf8.dropFirst(digits.count)
        let suffix = ".safetensors"
        return digits.count >= 8
            && (rest.elementsEqual(suffix.utf8) || rest.elementsEqual(Files.temporary(for: suffix).utf8))
    }

    /// The checkpoint with the best metrics of held-out pairs.
    var best: String { "\(path)/best.safetensors" }

    /// The batch numbers of the existing checkpoints, the latest first.
    var batches: [Int] {
        var found: [Int] = []
        for name in (try? Files.names(in: path)) ?? [] {
            guard name.hasSuffix(".safetensors"), let batch = Int(name.dropLast(".safetensors".count)),
                file(batch).hasSuffix("/\(name)")
            else { continue }
            found.append(batch)
        }
        return found.sorted(by: >)
    }

    /// Writes a checkpoint and then removes the oldest ones beyond the limit. If the disk is full, the earlier ones
    /// stay.
    func save(_ trainer: Trainer, batch: Int, note: JSON) throws(DamaError) {
        try trainer.save(to: file(batch), note: note)
        for old in batches.dropFirst(limit) { Files.remove(file(old)) }
    }

    /// Loads the latest valid checkpoint; `nil` if there is none.
    ///
    /// - Parameters:
    ///   - last: The number of batches of the whole job.
    ///   - accept: Called with a checkpoint's note before anything else is read from the file; throws if the checkpoint
    ///     is that of another job.
    ///   - warn: Called for each damaged file that is skipped.
    func load(
        into trainer: Trainer, last: Int, accept: (JSON) throws(DamaError) -> Void,
        warn: (String) throws(DamaError) -> Void
    ) throws(DamaError) -> Int? {
        for batch in batches {
            let path = file(batch)
            do throws(DamaError) {
                try trainer.load(from: path) { note throws(DamaError) in
                    try accept(note)
                    try check(note, batch: batch, last: last)
                }
                return batch
            } catch {
                // A damaged file is skipped; a checkpoint of another job and a failing disk are errors.
                guard error.code == .model else { throw error }
                try warn("\(error.message); using the previous checkpoint instead")
            }
        }
        return nil
    }

    /// The batch number in a note must equal that in the file's name, and must not exceed the job's.
    func check(_ note: JSON, batch: Int, last: Int) throws(DamaError) {
        guard batch >= 1, batch <= last, note["batch"]?.int == batch else {
            throw .model(
                "\(file(batch)) is damaged: its note says batch \(note["batch"]?.text ?? "none"), its name \(batch), "
                    + "and the job has \(last)")
        }
    }

    func removeAll() {
        Files.remove(best)
        for batch in batches { Files.remove(file(batch)) }
    }
}
