import DamaPreference
import DamaSupport

/// The hardness that a training job reads: α_D of each pair, and its third of the dataset by δ.
struct ScoreTable {
    struct Score {
        var delta: Double
        var alphaData: Double
        /// 0 for the third with the smallest δ, whose pairs are hardest to distinguish; 2 for the third with the
        /// largest.
        var third: Int
    }

    private var scores: [ExactText: Score] = [:]

    /// A pair's δ, and its α_D if the file has it.
    private struct Line {
        var id: JSON
        var delta: Double
        var alphaData: Double?
    }

    /// Reads the lines of a ``ScoreJob``.
    ///
    /// - Parameter meanDelta: δ̄ for α_D, Eq. (7); `nil` takes α_D of the lines.
    /// - Throws: ``DamaError/Code/invalidArgument`` if the file is no longer the one that its summary, if present,
    ///   describes; ``DamaError/Code/model`` for an invalid line.
    init(path: String, meanDelta: Double? = nil) throws(DamaError) {
        var found: [Line] = []
        try ScoreLines.forEach(of: path) { json throws(DamaError) in
            guard let id = json["id"], let delta = json["delta"]?.double, let alpha = json["alpha_data"]?.double
            else { throw .model("expected id, delta and alpha_data, as the scoring job writes them") }
            guard alpha.isFinite, alpha > 0 else { throw .model("alpha_data is \(alpha); it must be positive") }
            found.append(Line(id: id, delta: delta, alphaData: alpha))
        }
        guard !found.isEmpty else { throw .model("\(path) holds no scores") }
        try self.init(found, meanDelta: meanDelta, path: path)
    }

    /// Reads `chosen_logits` and `rejected_logits` of a dataset's rows, as the authors' trainer does.
    ///
    /// - Parameter meanDelta: δ̄ for α_D, Eq. (7); `nil` takes the mean over the rows with both fields. The authors'
    ///   trainer has the constant 0.0482190464911681.
    /// - Throws: ``DamaError/Code/model`` for a row with other values in these fields, and for a dataset without them.
    init(dataset path: String, fields: FieldNames, meanDelta: Double? = nil) throws(DamaError) {
        var found: [Line] = []
        var reader = try RowReader(path: path)
        while let row = try reader.next() {
            guard let json = try? PairRecord.object(row) else { continue }
            do throws(DamaError) {
                guard let probabilities = try SubSentenceProbabilities(released: json) else { continue }
                let id = PairRecord.identifier(of: row, names: fields) ?? .int(Int64(row.index))
                found.append(Line(id: id, delta: probabilities.delta))
            } catch {
                throw DamaError(.model, "\(path), line \(row.line): \(error.message)")
            }
        }
        guard !found.isEmpty else {
            throw .model("\(path) has no row with \"chosen_logits\" and \"rejected_logits\"")
        }
        let mean = meanDelta ?? found.reduce(0) { $0 + $1.delta } / Double(found.count)
        try self.init(found, meanDelta: mean, path: path)
    }

    private init(_ lines: [Line], meanDelta: Double?, path: String) throws(DamaError) {
        let order = lines.indices.sorted { (lines[$0].delta, $0) < (lines[$1].delta, $1) }
        for (position, index) in order.enumerated() {
            let line = lines[index]
            let alpha = meanDelta.map { Hardness.alphaData(delta: line.delta, meanDelta: $0) } ?? line.alphaData ?? 1
            let score = Score(delta: line.delta, alphaData: alpha, third: 3 * position / lines.count)
            guard scores.updateValue(score, forKey: ExactText(line.id.text)) == nil else {
                throw .model("\(path) has two lines with the id \(line.id.text); every pair must have its own id")
            }
        }
    }

    subscript(id: JSON) -> Score? { scores[ExactText(id.text)] }
}
