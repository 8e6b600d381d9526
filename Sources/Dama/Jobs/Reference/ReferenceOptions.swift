import DamaSupport

/// Options of a job that computes a reference model's log-probabilities of a dataset.
public struct ReferenceOptions: RowJobSettings {
    /// Input, output and the options of every job over rows.
    public var rows: RowJobOptions
    public var format = Format.full
    /// The output of ``ScoreJob`` for the dataset, for ``Format/released``: its rows then have the probabilities of their
    /// sub-sentences (`chosen_logits`, `rejected_logits`); `nil` leaves them out.
    public var scores: String?
    /// The share of the rows that one of several ranks computes, for a training job.
    var shard: Shard?

    /// The format of a line of output.
    public enum Format: String, CaseIterable, Sendable {
        /// id, key, and for both responses the sum, the mean, the tokens' log-probabilities, and whether the end was
        /// cut off.
        case full
        /// idx, key, and `logps`: the JSON text of six fields that the RLAIF-V and DAMA trainers read.
        case logps
        /// One JSON array of whole rows that the authors' trainer takes: see ``ReleasedRow``.
        case released
    }

    public init(data: String, output: String) {
        rows = RowJobOptions(data: data, output: output)
        rows.blockRows = 8
    }

    /// All settings, under the names of the C ABI.
    package static let table = table([
        .choice("format", key: "line", \.format), .optionalText("scores", \.scores, effect: .none),
    ])

    func check() throws(DamaError) {
        guard scores == nil || format == .released else {
            throw .invalidArgument("scores belong to the format \"released\"; the format is \"\(format.rawValue)\"")
        }
    }
}
