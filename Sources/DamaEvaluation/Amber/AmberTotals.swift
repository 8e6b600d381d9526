/// The sums of the answers' counts: exact ones, and those of the official script, whose denominators start at 0.001 and
/// grow answer by answer. The last bit of such a sum depends on its steps.
struct AmberTotals {
    private(set) var exact = Counts()
    private var denominators: [String: Double] = [:]

    init(_ answers: [Counts]) {
        for counts in answers { add(counts) }
    }

    private mutating func add(_ counts: Counts) {
        for (name, value) in counts.values {
            add(name, value)
            if let name = Self.overall[name] { add(name, value) }
        }
    }

    private mutating func add(_ name: String, _ value: Double) {
        exact[name] += value
        if Self.isDenominator.contains(name) { denominators[name, default: Self.start] += value }
    }

    /// The official script's variable: a numerator, or a denominator with its 0.001.
    func official(_ name: String) -> Double {
        Self.isDenominator.contains(name) ? denominators[name] ?? Self.start : exact[name]
    }

    private static let start = 0.001

    /// The counts of a yes/no question, without the dimension.
    private static let questionCounts = ["questions", "right", "no", "said_no", "right_no"]
    private static let dimensions = AmberAnnotations.Dimension.allCases.map(\.rawValue)

    /// For the name of a dimension's count, that of all questions.
    private static let overall = Dictionary(
        uniqueKeysWithValues: dimensions.flatMap { dimension in
            questionCounts.map { ("\(dimension)_\($0)", "discriminative_\($0)") }
        })

    private static let isDenominator = Set(
        ["nouns", "truth_words", "hallu_words", "descriptions"]
            + (dimensions + ["discriminative"]).flatMap { dimension in
                ["questions", "no", "said_no"].map { "\(dimension)_\($0)" }
            })
}
