import DamaSupport

/// What a training job reads from the lines of a ``ScoreJob``: α_D of each pair, and which third of the dataset it is in by
/// hardness.
struct ScoreTable {
    struct Score {
        var alphaData: Double
        /// 0 for the third with the smallest δ, which is hardest to tell apart; 2 for the one with the largest.
        var third: Int
    }

    private var scores: [ExactText: Score] = [:]

    /// - Throws: ``DamaError/Code/invalidArgument`` where the file is not the one any more that its summary, if it has one,
    ///   describes; ``DamaError/Code/model`` for a line that is wrong.
    init(path: String) throws(DamaError) {
        let summary = JobPaths(output: path).summary
        if Files.exists(summary), let described = try Files.readJSON(summary)["output"] {
            guard try ResultFile.isUnchanged(path, described) else {
                throw .invalidArgument(
                    "\(path) has changed since it was computed: it is not the file that \(summary) describes; compute it "
                        + "anew")
            }
        }
        var reader = try RowReader(path: path, rowLimit: 64 << 20)
        var found: [(id: String, delta: Double, alphaData: Double)] = []
        while let row = try reader.next() {
            do throws(DamaError) {
                if let rejection = row.rejection { throw .model(rejection.reason) }
                let json = try JSON(parsing: row.bytes, numbers: .asWritten)
                guard let id = json["id"], let delta = json["delta"]?.double, let alpha = json["alpha_data"]?.double
                else { throw .model("expected id, delta and alpha_data, as the scoring job writes them") }
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
                throw .model("\(path) has two lines with the id \(found[index].id); pairs are told apart by their ids")
            }
        }
    }

    subscript(id: JSON) -> Score? { scores[ExactText(id.text)] }
}
