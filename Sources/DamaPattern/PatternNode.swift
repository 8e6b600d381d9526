/// The syntax tree of a regular expression.
indirect enum PatternNode {
    enum Greed { case greedy, lazy, possessive }

    case empty
    case set(ScalarSet)
    case sequence([PatternNode])
    case alternation([PatternNode])
    case look(isNegative: Bool, PatternNode)
    case repetition(PatternNode, minimum: Int, maximum: Int, kind: Greed)

    /// The largest number of scalars that it can match; `nil` if unbounded.
    var reach: Int? {
        switch self {
        case .empty, .look: return 0
        case .set: return 1
        case .sequence(let nodes):
            var sum = 0
            for node in nodes {
                guard let reach = node.reach else { return nil }
                let (next, overflow) = sum.addingReportingOverflow(reach)
                if overflow { return nil }
                sum = next
            }
            return sum
        case .alternation(let nodes):
            var most = 0
            for node in nodes {
                guard let reach = node.reach else { return nil }
                most = max(most, reach)
            }
            return most
        case .repetition(let node, _, let maximum, _):
            guard let reach = node.reach else { return nil }
            if maximum == .max { return reach == 0 ? 0 : nil }
            let (product, overflow) = reach.multipliedReportingOverflow(by: maximum)
            return overflow ? nil : product
        }
    }
}
