import DamaImage
import DamaModels
import DamaSupport

/// A pair as a policy reads it: with its question and the bytes of its image.
struct PolicyRow: Sendable {
    var record: PairRecord
    var question: String
    /// `nil` for a text-only model, which ignores the row's image.
    var image: [UInt8]?

    /// - Parameter stamp: see ``ImageRoot/read(_:stamp:)``.
    init(
        _ row: RawRow, names: FieldNames, root: ImageRoot, policy: Policy, stamp: inout ImageStamp?
    ) throws(RowFailure) {
        record = try RowFailure.parsing { () throws(Rejection) in try PairRecord(row, names: names) }
        guard let question = record.question else {
            throw .row(Rejection(.missingField, "the field \(names.description(.question)) is missing"))
        }
        self.question = question
        if let rejection = Rejection.system(record.system, of: policy) { throw .row(rejection) }
        image = !policy.takesImages ? nil : try root.read(record.image, stamp: &stamp)
    }

    /// The key of the pair's reference log-probabilities.
    var key: String {
        ReferenceEntry.key(image: image, prompt: question, chosen: record.chosen, rejected: record.rejected)
    }

    func pair(image: ImageSource?) -> PreferencePair {
        PreferencePair(image: image, prompt: question, chosen: record.chosen, rejected: record.rejected)
    }
}

extension Rejection {
    /// The rejection of a row with its own system prompt: a policy has one system prompt for all rows.
    static func system(_ system: String?, of policy: Policy) -> Rejection? {
        guard let system, !system.hasSameBytes(as: policy.options.system ?? "") else { return nil }
        return Rejection(
            .unsupportedConversation,
            "the row has a system prompt of its own, \"\(system.unicodeScalars.prefix(60))\"; the "
                + "option system sets one for all rows")
    }
}
