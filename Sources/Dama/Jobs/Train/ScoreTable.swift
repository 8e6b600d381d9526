import DamaPreference
import DamaSupport

/// The scores that a training job reads from the lines of a ``ScoreJob``: α_D of each pair, and its third of the
/// dataset by hardness.
struct ScoreTable {
    struct Score {
        var alphaData: Double
        /// 0 for the third with the smallest δ, whose pairs are hardest to distinguish; 2 for the third with the
        /// largest.
        var third: Int
    }

    private var scores: [ExactText: Score] = [:]

    /// - Parameter meanDelta: δ̄ for α_D, Eq. (7); `nil` takes α_D of the lines.
    /// - Throws: ``DamaError/Code/invalidArgument`` if the file is no longer the one that its summary, if present,
    ///   describes; ``DamaError/Code/model`` for an invalid line.
    init(path: String, meanDelta: Double? = nil) throws(DamaError) {
        let summary = JobPaths(output: path).summary
        if Files.exists(summary), let described = try Files.readJSON(summary)["output"] {
            guard try ResultFile.isUnchanged(path, described) else {
                throw .invalidArgument(
                    "\(path) has changed since it was computed: it is not the file that \(summary) describes; compute it "
                        + "again")
            }
        }
        var reader = try RowReader(path: path, rowLimit: 64 << 20)
        var found: [(id: String, delta: Double, alphaData: Double)] = []
        while let row = try reader.next() {
            do throws(DamaError) {
                if let rejection = row.rejection { throw .model(rejection.reason) }
                let json = try JSON(parsing: row.bytes, numbers: .asWritten)
                guard let id = json["id"], let delta = json["delta"]?.double, let written = json["alpha_data"]?.double
                else { throw .model("expected id, delta and alpha_data, as the scoring job writes them") }
                let alpha = meanDelta.map { Hardness.alphaData(delta: delta, meanDelta: $0) } ?? written
                guard alpha.isFinite, alpha > 0 else { throw .model("alpha_data is \(alpha); it must be positive") }
                found.append((id.text, delta, alpha))
            } catch {
                throw DamaError(.model, "\(path), line \(row.line): \(error.message)")
            }
        }
        guard !found.isEmpty else { throw .model("\(path) holds no scores") }
        let order = found.indices.sorted { (found[$0].delta, $0) < (found[$1].delta, $1) }
        for (position, index) in order.enumerated() {
            let score = Score(alphaData: found[index].alphaData, third: 3 * position / found.count)
            guard scores.updateValue(score, forKey: ExactText(found[index].id)) == nil else {
                throw .model("\(path) has two lines with the id \(found[index].id); every pair must have its own id")
            }
        }
    }

    subscript(id: JSON) -> Score? { scores[ExactText(id.text)] }
}
