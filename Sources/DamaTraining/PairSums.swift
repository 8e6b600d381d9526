import DamaModels
import DamaPreference
import DamaSupport

/// What the loss and the metrics of a batch need of a pair: log π of its responses, and what the data says of it.
struct PairSums {
    /// log π(y_w | I, x) and log π(y_l | I, x), sums over the responses' tokens.
    var chosen: Double
    var rejected: Double
    var chosenCount: Int
    var rejectedCount: Int
    /// log πref of both responses; `nil` for a loss without a reference.
    var reference: (chosen: Double, rejected: Double)?
    var alphaData: Double
    var hardnessThird: Int?
    /// Image, prompt and response tokens.
    var tokens: Int

    init(
        _ found: PairLogProbabilities, reference: (chosen: Double, rejected: Double)?, alphaData: Double = 1,
        hardnessThird: Int? = nil, tokens: Int = 0
    ) {
        chosen = found.chosen.sum
        rejected = found.rejected.sum
        chosenCount = found.chosen.count
        rejectedCount = found.rejected.count
        self.reference = reference
        self.alphaData = alphaData
        self.hardnessThird = hardnessThird
        self.tokens = tokens
    }

    // MARK: As numbers

    /// The numbers of all pairs of a batch, of which this rank has its ``RankGroup/share(of:)``.
    static func gathered(_ own: [Self], of total: Int, _ ranks: RankGroup) throws(DamaError) -> [Self] {
        guard ranks.count > 1 else { return own }
        return try ranks.gathered(own.map(\.numbers), width: width, of: total).map { Self($0) }
    }

    private static let width = 10

    private var numbers: [Double] {
        [
            chosen, rejected, Double(chosenCount), Double(rejectedCount), reference == nil ? 0 : 1,
            reference?.chosen ?? 0, reference?.rejected ?? 0, alphaData, Double(hardnessThird ?? -1), Double(tokens),
        ]
    }

    /// - Parameter numbers: ``width`` of them.
    private init(_ numbers: [Double]) {
        func count(_ index: Int) -> Int { Int(exactly: numbers[index]) ?? 0 }
        chosen = numbers[0]
        rejected = numbers[1]
        chosenCount = count(2)
        rejectedCount = count(3)
        reference = numbers[4] == 0 ? nil : (numbers[5], numbers[6])
        alphaData = numbers[7]
        hardnessThird = numbers[8] < 0 ? nil : count(8)
        tokens = count(9)
    }
}

extension AdaptiveBeta {
    /// The step of a batch.
    mutating func step(_ pairs: [PairSums]) throws(DamaError) -> Step {
        // DPO compares sums; SimPO, the loss without a reference, compares means.
        let isFree = configuration.loss.isReferenceFree
        return try step(
            policyChosen: pairs.map(\.chosen), policyRejected: pairs.map(\.rejected),
            referenceChosen: isFree ? nil : pairs.map { $0.reference?.chosen ?? .nan },
            referenceRejected: isFree ? nil : pairs.map { $0.reference?.rejected ?? .nan },
            alphaData: pairs.map(\.alphaData),
            chosenLengths: isFree ? pairs.map { Int64($0.chosenCount) } : nil,
            rejectedLengths: isFree ? pairs.map { Int64($0.rejectedCount) } : nil)
    }
}
