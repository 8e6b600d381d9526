import DamaSupport

/// A compiled regular expression, of the kind that tokenizer.json files use, matched over Unicode scalars.
///
/// Supported: alternation, groups `(…)`, `(?:…)`, `(?i:…)`, a leading `(?i)`; classes `[…]`, `[^…]`, `\p{L}`, `\P{N}`,
/// `\s \S \d \D \w \W`, `.`; quantifiers `* + ? {m} {m,} {m,n}`, lazy with `?`, possessive with `+`; look-ahead of
/// bounded length `(?=…)`, `(?!…)`; character escapes. Anything else is a ``DamaError``, never an approximation.
///
/// The semantics are those of a backtracking matcher with Oniguruma's (Ruby) syntax: leftmost, first alternative first.
/// Exponential backtracking is avoided: after a number of steps, states that failed once are not tried again, and a
/// ``StepBudget`` ends matching that still takes too long.
package struct Pattern: Sendable {
    enum Instruction: Equatable, Sendable {
        /// One scalar of the set.
        case scalar(Int)
        /// As many scalars of the set as possible, between the bounds; gives up one at a time unless possessive.
        case run(set: Int, minimum: Int, maximum: Int, isPossessive: Bool)
        /// Tries the first target, then the second.
        case split(Int, Int)
        case jump(Int)
        /// Runs the body, at most `reach` scalars long, which follows and ends in `match`. Continues at `next` if the
        /// body succeeds and `isNegative` is false, or fails and `isNegative` is true.
        case look(isNegative: Bool, reach: Int, next: Int)
        case match
    }

    package let source: String
    let instructions: [Instruction]
    let sets: [ScalarSet]

    /// - Throws: ``DamaError/Code/unsupported`` naming the construct and its place; ``DamaError/Code/model`` if the
    ///   pattern is malformed.
    package init(_ source: String) throws(DamaError) {
        var compiler = PatternCompiler(source)
        try compiler.compile()
        self.source = source
        instructions = compiler.instructions
        sets = compiler.sets
    }

    /// A pattern of this library, known to compile.
    package init(known source: String) {
        do {
            self = try Pattern(source)
        } catch {
            preconditionFailure("\(error.message)")
        }
    }

    /// All matches in `text`, left to right. Empty matches are included, except directly after another match.
    ///
    /// - Throws: ``DamaError/Code/model`` if the budget is exceeded.
    package func matches(
        in text: ArraySlice<Unicode.Scalar>, budget: inout StepBudget
    ) throws(DamaError) -> [Range<Int>] {
        var found: [Range<Int>] = []
        let limit = budget.left
        let steps = text.withUnsafeBufferPointer { buffer -> Int in
            var matcher = PatternMatcher(pattern: self, text: buffer, limit: limit)
            var start = 0
            var lastEnd = -1
            while start <= buffer.count, !matcher.isExhausted {
                guard let end = matcher.match(at: start) else {
                    start += 1
                    continue
                }
                if end == start, end == lastEnd {
                    start += 1
                    continue
                }
                found.append(text.startIndex + start..<text.startIndex + end)
                lastEnd = end
                start = end
            }
            return matcher.isExhausted ? limit : matcher.steps
        }
        try budget.spend(steps, on: self)
        return found
    }
}
