import DamaSupport

/// The steps that all patterns together may take on one input.
///
/// Patterns come with a model, and a few characters of one can ask for years of work. The tokenizers that are known
/// take about 20 steps a character; the budget is 1,024, and enough for a short text that goes deep.
package struct StepBudget {
    private let limit: Int
    package private(set) var left: Int

    package init(characters: Int) {
        let (product, overflow) = characters.multipliedReportingOverflow(by: 1024)
        limit = overflow || product > .max / 2 ? .max / 2 : (1 << 22) + product
        left = limit
    }

    /// - Throws: ``DamaError/Code/model`` naming the pattern, where that is more than there are.
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
