import DamaSupport

/// The number of steps that all patterns together may take on one input.
///
/// Patterns come with a model, and a pattern of a few characters can take years. Known tokenizers take about 20 steps
/// per character; the budget is 1,024 per character, and enough for a short text with deep backtracking.
package struct StepBudget {
    private let limit: Int
    package private(set) var left: Int

    package init(characters: Int) {
        let (product, overflow) = characters.multipliedReportingOverflow(by: 1024)
        limit = overflow || product > .max / 2 ? .max / 2 : (1 << 22) + product
        left = limit
    }

    /// - Throws: ``DamaError/Code/model`` naming the pattern, if fewer steps are left.
    mutating func spend(_ steps: Int, on pattern: Pattern) throws(DamaError) {
        guard steps < left else {
            left = 0
            throw .model(
                "the pattern \(quoted(pattern.source)) takes more than \(limit) steps on this text: it backtracks too much"
            )
        }
        left -= steps
    }
}
