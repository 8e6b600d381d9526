import DamaImage
import DamaModels
import DamaSupport

/// A pair as a policy reads it: with its question, and the bytes of its image.
struct PolicyRow: Sendable {
    var record: PairRecord
    var question: String
    /// `nil` for a model of text alone, which has no use for the image that the row names.
    var image: [UInt8]?

    init(_ row: RawRow, names: FieldNames, root: ImageRoot, takesImage: Bool) throws(RowFailure) {
        record = try RowFailure.parsing { () throws(Rejection) in try PairRecord(row, names: names) }
        guard let question = record.question else {
            throw .row(Rejection(.missingField, "no field \(names.description(.question))"))
        }
        self.question = question
        image = takesImage ? try root.read(record.image) : nil
    }

    /// By which the reference's log-probabilities of the pair are found.
    var key: String {
        ReferenceEntry.key(image: image, prompt: question, chosen: record.chosen, rejected: record.rejected)
    }

    func pair(image: ImageSource?) -> PreferencePair {
        PreferencePair(image: image, prompt: question, chosen: record.chosen, rejected: record.rejected)
    }
}
