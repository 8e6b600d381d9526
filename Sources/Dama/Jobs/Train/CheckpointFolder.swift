import DamaSupport
import DamaTraining

/// The checkpoints of a training job: a file for each, named after the batches that were taken by then.
struct CheckpointFolder {
    let path: String
    /// How many are kept.
    let limit: Int

    func file(_ batch: Int) -> String {
        let digits = String(batch)
        return "\(path)/\(String(repeating: "0", count: max(0, 8 - digits.count)))\(digits).safetensors"
    }

    /// Whether a file of this name is a checkpoint, or one that is being written.
    static func isOurs(_ name: String) -> Bool {
        let digits = name.utf8.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        let rest = name.utf8.dropFirst(digits.count)
        let suffix = ".safetensors"
        return digits.count >= 8
            && (rest.elementsEqual(suffix.utf8) || rest.elementsEqual(Files.temporary(for: suffix).utf8))
    }

    /// Batches of the checkpoints that are there, the latest first.
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

    /// Writes one and then removes those that are too many. Where the disk refuses, the earlier ones stay.
    func save(_ trainer: Trainer, batch: Int, note: JSON) throws(DamaError) {
        try trainer.save(to: file(batch), note: note)
        for old in batches.dropFirst(limit) { Files.remove(file(old)) }
    }

    /// Loads the latest good one; `nil` where there is none.
    ///
    /// - Parameters:
    ///   - last: the batches of the whole job.
    ///   - accept: sees a checkpoint's note before anything is taken from the file; throws where it is of another job.
    ///   - warn: told of each file that is damaged and passed over.
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
                // A file of the wrong contents is passed over; one of another job, or a disk that fails, is no damage.
                guard error.code == .model else { throw error }
                try warn("\(error.message); going back to the checkpoint before it")
            }
        }
        return nil
    }

    /// A note's number of batches must be that of the file's name, and one that the job comes to.
    func check(_ note: JSON, batch: Int, last: Int) throws(DamaError) {
        guard batch >= 1, batch <= last, note["batch"]?.int == batch else {
            throw .model(
                "\(file(batch)) is damaged: its note says batch \(note["batch"]?.text ?? "none"), its name \(batch), "
                    + "and the job has \(last)")
        }
    }

    func removeAll() {
        for batch in batches { Files.remove(file(batch)) }
    }
}
