import DamaModels
import DamaSupport

extension TrainOptions {
    /// Everything that the weights of the finished job depend on. Checkpoints of another job are refused by the
    /// settings that differ.
    ///
    /// Format 1, used up to 0.1.0, contained the names and texts of Swift properties.
    func identity(policy: JSON, contents: DatasetContents, images: String) throws(DamaError) -> JSON {
        let members: [JSONObject.Member] = [
            ("job", "train"), ("format", 2), ("input", .string(contents.sha256)), ("images", .string(images)),
            ("model", policy),
            ("scores", try Self.digest(of: scores)), ("reference", try Self.digest(of: reference)),
            ("image_root", .string(rows.imageFolder)),
        ]
        return .object(JSONObject(members + Self.table.values(of: self, .results)))
    }

    private static func digest(of path: String?) throws(DamaError) -> JSON {
        guard let path else { return .null }
        return .string(try Files.digest(path).sha256)
    }
}
