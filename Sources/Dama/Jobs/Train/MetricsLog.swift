import DamaSupport
import DamaTraining
import Glibc

/// metrics.jsonl: a line for each batch, there as soon as the batch is done.
final class MetricsLog {
    let path: String
    private let descriptor: Int32
    private var size: Int

    /// Opens the file for the batches after `batches`; lines of later ones, which are taken again, are cut off.
    init(path: String, after batches: Int) throws(DamaError) {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .io("cannot open \(path): \(describeErrno())") }
        size = 0
        guard batches > 0 else {
            try truncate()
            return
        }
        var reader = try RowReader(path: path)
        while let row = try reader.next() {
            guard row.rejection == nil, let json = try? JSON(parsing: row.bytes), let batch = json["batch"]?.int,
                batch <= batches
            else { break }
            // The file is ours: a line ends in a newline and nothing else stands between lines.
            size += row.bytes.count + 1
        }
        try truncate()
    }

    deinit { close(descriptor) }

    private func truncate() throws(DamaError) {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw .io("cannot cut \(path): \(describeErrno())") }
    }

    /// Makes the lines so far last through a power failure, before a checkpoint that counts on them.
    func synchronize() throws(DamaError) {
        guard fsync(descriptor) == 0 else { throw .io("cannot write \(path): \(describeErrno())") }
    }

    func append(_ line: JSON) throws(DamaError) {
        let bytes = Array(line.text.utf8) + [UInt8(ascii: "\n")]
        try writeFully(bytes, to: descriptor, at: size, path)
        size += bytes.count
    }
}

extension StepMetrics {
    /// The numbers that are drawn over the steps, grouped by the part of the name before the slash.
    var scalars: [(String, Double)] {
        let all = [
            ("loss", loss), ("alpha_model", alphaModel), ("running_mean", runningMean), ("beta/mean", betaMean),
            ("beta/min", betaMinimum), ("beta/max", betaMaximum), ("kept", Double(kept)), ("accuracy", accuracy),
            ("margin_mean", marginMean), ("gap/hard", gapByThird[0]), ("gap/middle", gapByThird[1]),
            ("gap/easy", gapByThird[2]), ("reward/chosen", rewardChosen), ("reward/rejected", rewardRejected),
            ("gradient_norm", gradientNorm), ("learning_rate", learningRate),
        ]
        return all.filter { $0.1.isFinite }
    }

    /// A line of metrics.jsonl; docs/train.md describes the fields.
    func json(batch: Int, epoch: Int) -> JSON {
        func number(_ value: Double) -> JSON { value.isFinite ? .double(value) : .null }
        return [
            "step": .int(Int64(clamping: step)), "batch": .int(Int64(batch)), "epoch": .int(Int64(epoch)),
            "loss": number(loss), "alpha_model": number(alphaModel), "running_mean": number(runningMean),
            "beta_mean": number(betaMean), "beta_min": number(betaMinimum), "beta_max": number(betaMaximum),
            "kept": .int(Int64(kept)), "pairs": .int(Int64(pairs)), "accuracy": number(accuracy),
            "margin_mean": number(marginMean), "gap_hard": number(gapByThird[0]), "gap_middle": number(gapByThird[1]),
            "gap_easy": number(gapByThird[2]), "reward_chosen": number(rewardChosen),
            "reward_rejected": number(rewardRejected), "gradient_norm": number(gradientNorm),
            "learning_rate": number(learningRate), "tokens": .int(Int64(tokens)), "updated": .bool(updated),
            "skipped": .int(Int64(clamping: skipped)),
            "seconds": [
                "prepare": number(seconds.prepare), "reference": number(seconds.reference),
                "forward": number(seconds.forward), "backward": number(seconds.backward),
                "update": number(seconds.update),
            ],
        ]
    }
}
