import DamaPreference
import DamaSupport
import DamaTraining

/// metrics.jsonl and pairs.jsonl: one line per batch, written as soon as the batch is done.
final class MetricsLog {
    private let path: String
    /// `nil` before the first line.
    private var file: OpenFile?
    private var size = 0

    /// Opens the file for the batches after `batches`; lines of later batches, which are repeated, are cut off.
    init(path: String, after batches: Int) throws(DamaError) {
        self.path = path
        guard Files.isThere(path) else { return }
        if batches > 0 {
            var reader = try RowReader(path: path)
            while let row = try reader.next() {
                guard row.rejection == nil, let batch = Self.batch(row.bytes), batch <= batches else { break }
                // The job wrote the file, so each line ends in a newline and there is nothing between lines.
                size += row.bytes.count + 1
            }
        }
        guard size > 0 else {
            Files.remove(path)
            return
        }
        let found = try OpenFile(updating: path)
        try found.truncate(to: size)
        file = consume found
    }

    /// The batch number of a line; `nil` if it is not a line of this log.
    private static func batch(_ line: [UInt8]) -> Int? {
        guard let json = try? JSON(parsing: line), json["step"]?.int != nil else { return nil }
        return json["batch"]?.int
    }

    /// Whether the file at `path` is such a log, judging by its first line.
    static func isLog(_ path: String) -> Bool {
        guard var reader = try? RowReader(path: path), let row = try? reader.next() else {
            return (try? Files.read(path, limit: 0)) != nil
        }
        return batch(row.bytes) != nil
    }

    /// Synchronises the lines so far to disk, before a checkpoint that depends on them.
    func synchronize() throws(DamaError) { try file?.synchronize() }

    func append(_ line: JSON) throws(DamaError) {
        let bytes = Array("\(line.text)\n".utf8)
        if file == nil {
            // Written atomically: the first line identifies the file as a job's.
            try Files.writeAtomically(bytes, to: path)
            file = try OpenFile(updating: path)
        } else {
            try file?.write(bytes, at: size)
        }
        size += bytes.count
    }
}

extension StepMetrics {
    /// The values for TensorBoard, grouped by the part of the name before the slash.
    var scalars: [(String, Double)] {
        let all = [
            ("loss", loss), ("alpha_model", alphaModel), ("running_mean", runningMean), ("beta/mean", betaMean),
            ("beta/min", betaMinimum), ("beta/max", betaMaximum), ("kept", Double(kept)), ("accuracy", accuracy),
            ("margin_mean", marginMean), ("gap/hard", gapByThird[0]), ("gap/middle", gapByThird[1]),
            ("gap/easy", gapByThird[2]), ("reward/chosen", rewardChosen), ("reward/rejected", rewardRejected),
            ("gradient_norm", gradientNorm), ("learning_rate", learningRate), ("margin_std", marginDeviation),
            ("loss_std", lossDeviation), ("beta/clamped", Double(betaClamped)), ("logps/chosen", logpsChosen),
            ("logps/rejected", logpsRejected), ("reference/chosen", referenceChosen),
            ("reference/rejected", referenceRejected), ("sft_loss", sftLoss),
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
            "margin_std": number(marginDeviation), "loss_std": number(lossDeviation),
            "beta_clamped": .int(Int64(betaClamped)), "logps_chosen": number(logpsChosen),
            "logps_rejected": number(logpsRejected), "reference_chosen": number(referenceChosen),
            "reference_rejected": number(referenceRejected), "sft_loss": number(sftLoss),
        ]
    }
}

extension AdaptiveBeta.Step {
    /// A line of pairs.jsonl; docs/train.md describes the fields.
    func json(batch: Int, _ step: UInt64, ids: [JSON]) -> JSON {
        func numbers(_ values: [Double]) -> JSON { .array(values.map { $0.isFinite ? .double($0) : .null }) }
        return [
            "step": .int(Int64(clamping: step)), "batch": .int(Int64(batch)), "id": .array(ids),
            "kept": .array(mask.map { .bool($0) }), "beta": numbers(beta), "margin": numbers(margins),
            "weight": numbers(gradChosen.map(abs)),
        ]
    }
}
