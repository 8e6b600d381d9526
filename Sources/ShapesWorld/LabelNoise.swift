/// How labels come to be wrong.
package enum LabelNoise: String, CaseIterable, Sendable {
    /// Any label may be wrong, with equal probability.
    case random
    /// Only labels of the half whose responses differ least in truth are wrong, as a judge errs.
    case hard
    /// The judge often prefers the longer response, whichever is true.
    case length

    /// Pairs of true labels with wrong ones.
    ///
    /// - Parameters:
    ///   - draws: For each pair, a number from 0 to 1 that decides whether the judge errs.
    ///   - share: The expected share of wrong labels. With ``length`` the judge decides by length twice as often,
    ///     because it is right half of the time; pairs of equal length keep their label.
    func labels(_ pairs: [SampledPair], draws: [Double], share: Double) -> [SampledPair] {
        var isHard = Array(repeating: false, count: pairs.count)
        let order = pairs.indices.sorted { (pairs[$0].shareDifference, $0) < (pairs[$1].shareDifference, $1) }
        for index in order.prefix(pairs.count / 2) { isHard[index] = true }
        return pairs.indices.map { index in
            var pair = pairs[index]
            let isWrong =
                switch self {
                case .random: draws[index] < share
                case .hard: isHard[index] && draws[index] < 2 * share
                case .length: pair.wordDifference < 0 && draws[index] < 2 * share
                }
            if isWrong { pair.flip() }
            return pair
        }
    }
}
