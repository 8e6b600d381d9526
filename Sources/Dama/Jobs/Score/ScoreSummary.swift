import DamaSupport

/// The results of a finished scoring job.
public struct ScoreSummary: Equatable, Sendable {
    /// Rows of the input.
    public var rows: Int
    public var rowsScored: Int
    public var rowsRejected: Int
    /// The number of rejected rows of each kind, by the kind's raw value.
    public var rejectedByKind: [String: Int]
    /// The mean of δ over the scored rows.
    public var meanDelta: Double
    /// δ̄ as used for α_D: ``meanDelta``, or the given value.
    public var meanDeltaUsed: Double
    public var smallestDelta: Double
    public var largestDelta: Double
    /// Rows with δ below 0: the image agrees more with the rejected response. Many of them are a sign of wrong labels.
    /// `nil` in the summary of an earlier version.
    public var rowsBelowZero: Int?
    /// Quantiles of δ at ``quantileLevels``.
    public var quantiles: [Double]
    /// The largest δ of the hard and of the middle third of the rows, as the metrics of training divide them. Empty in
    /// the summary of an earlier version.
    public var thirds: [Double]
    /// The number of rows in each of 40 equal bins of δ, from the lower to the upper bound of ``histogramRange``.
    public var histogram: [Int]
    public var histogramRange: ClosedRange<Double>
    public var chosenSubSentences: Int
    public var rejectedSubSentences: Int
    /// The number of rows with each flag.
    public var flags: [String: Int]
    /// Whether an earlier run had already finished the same job.
    public var wasComplete = false

    public static let quantileLevels = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]

    /// The contents of the summary file, which are the same for every run of the job.
    func json(settings: JSON, output: JSON, rejects: JSON) -> JSON {
        let (low, high, bins) = (histogramRange.lowerBound, histogramRange.upperBound, Double(histogram.count))
        let edges = (0...histogram.count).map { JSON.double((low * (bins - Double($0)) + high * Double($0)) / bins) }
        return [
            "rows": .int(Int64(rows)),
            "scored": .int(Int64(rowsScored)),
            "rejected": .int(Int64(rowsRejected)),
            "rejected_by_kind": Self.counts(rejectedByKind),
            "mean_delta": .double(meanDelta),
            "mean_delta_used": .double(meanDeltaUsed),
            "delta": [
                "min": .double(smallestDelta),
                "max": .double(largestDelta),
                "below_zero": rowsBelowZero.map { .int(Int64($0)) } ?? .null,
                "quantiles": .object(
                    JSONObject(zip(Self.quantileLevels, quantiles).map { (key: "\($0)", value: .double($1)) })),
                "thirds": .array(thirds.map { .double($0) }),
                "histogram": ["edges": .array(edges), "counts": .array(histogram.map { .int(Int64($0)) })],
            ],
            "sub_sentences": [
                "chosen": .int(Int64(chosenSubSentences)), "rejected": .int(Int64(rejectedSubSentences)),
            ],
            "flags": Self.counts(flags),
            "output": output,
            "rejects": rejects,
            "settings": settings,
        ]
    }

    /// Reads the contents of a summary file.
    init?(json: JSON) {
        guard let rows = json["rows"]?.int, let scored = json["scored"]?.int, let rejected = json["rejected"]?.int,
            let mean = json["mean_delta"]?.double, let used = json["mean_delta_used"]?.double,
            let smallest = json["delta"]?["min"]?.double, let largest = json["delta"]?["max"]?.double,
            let counts = json["delta"]?["histogram"]?["counts"]?.array,
            let edges = json["delta"]?["histogram"]?["edges"]?.array,
            let low = edges.first?.double, let high = edges.last?.double, low <= high,
            min(rows, scored, rejected) >= 0
        else { return nil }
        self.rows = rows
        rowsScored = scored
        rowsRejected = rejected
        rejectedByKind = Self.counts(json["rejected_by_kind"])
        meanDelta = mean
        meanDeltaUsed = used
        smallestDelta = smallest
        largestDelta = largest
        rowsBelowZero = json["delta"]?["below_zero"]?.int
        quantiles = Self.quantileLevels.compactMap { json["delta"]?["quantiles"]?["\($0)"]?.double }
        thirds = (json["delta"]?["thirds"]?.array ?? []).compactMap(\.double)
        histogram = counts.compactMap(\.int)
        histogramRange = low...high
        chosenSubSentences = json["sub_sentences"]?["chosen"]?.int ?? 0
        rejectedSubSentences = json["sub_sentences"]?["rejected"]?.int ?? 0
        flags = Self.counts(json["flags"])
    }

    /// Makes an empty summary, to be filled row by row.
    init(rows: Int) {
        self.rows = rows
        rowsScored = 0
        rowsRejected = 0
        rejectedByKind = [:]
        meanDelta = 0
        meanDeltaUsed = 0
        smallestDelta = .infinity
        largestDelta = -.infinity
        rowsBelowZero = 0
        quantiles = []
        thirds = []
        histogram = []
        histogramRange = -1...1
        chosenSubSentences = 0
        rejectedSubSentences = 0
        flags = [:]
    }

    private static func counts(_ counts: [String: Int]) -> JSON {
        .object(JSONObject(counts.sorted { $0.key < $1.key }.map { (key: $0.key, value: .int(Int64($0.value))) }))
    }

    private static func counts(_ json: JSON?) -> [String: Int] {
        var counts: [String: Int] = [:]
        for member in json?.object?.members ?? [] { counts[member.key] = member.value.int }
        return counts
    }
}
