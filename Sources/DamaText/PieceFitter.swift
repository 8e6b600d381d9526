import DamaPattern
import DamaSupport

/// Splits pieces of a text that have too many tokens, at the best available places.
struct PieceFitter {
    private let scalars: [Unicode.Scalar]
    private let limit: TokenLimit?

    /// Where to split, best first.
    private enum Level: Int, CaseIterable {
        /// After full stops inside quotes, semicolons, colons and dashes.
        case clauses
        case commas
        /// Before "and", "which", "while", …
        case conjunctions
        case words
        case characters
        case scalars
    }

    /// Balancing the lengths takes several rounds; a text with more parts than this gets a single one.
    private static let mostBalancedParts = 8

    init(_ scalars: [Unicode.Scalar], limit: TokenLimit?) {
        self.scalars = scalars
        self.limit = limit
    }

    /// The text of `range`, with one space for each run of white space.
    func text(_ range: Range<Int>) -> String {
        var view = String.UnicodeScalarView()
        var isPending = false
        for scalar in scalars[trimmed(range)] {
            if UnicodeClass.isSpace(scalar) {
                isPending = true
            } else {
                if isPending { view.append(" ") }
                isPending = false
                view.append(scalar)
            }
        }
        return String(view)
    }

    func trimmed(_ range: Range<Int>) -> Range<Int> { scalars.trimmingSpace(range) }

    func fits(_ range: Range<Int>) throws(DamaError) -> Bool { try limit?.allows(text(range)) ?? true }

    /// True if the range contains a letter, a digit or an emoji.
    func hasContent(_ range: Range<Int>) -> Bool {
        scalars[range].contains {
            $0.properties.isAlphabetic || UnicodeClass.isNumeric($0) || $0.properties.isEmojiPresentation
        }
    }

    /// `range` unchanged, or its parts, none over the limit.
    func fit(_ range: Range<Int>) throws(DamaError) -> [Range<Int>] {
        try fit(range, from: .clauses)
    }

    private func fit(_ range: Range<Int>, from level: Level) throws(DamaError) -> [Range<Int>] {
        guard let limit, try !fits(range) else { return [range] }
        var level = level
        var parts = part(range, level)
        while parts.count < 2 {
            guard let next = Level(rawValue: level.rawValue + 1) else {
                let count = try limit.count(text(range))
                throw .invalidArgument(
                    "a limit of \(limit.maximum) tokens is too low: \(quoted(text(range))) alone has \(count)")
            }
            level = next
            parts = part(range, level)
        }
        var result: [Range<Int>] = []
        var run: [Range<Int>] = []
        for part in parts {
            if try fits(part) {
                run.append(part)
            } else {
                result += try pack(run, limit)
                run = []
                result += try fit(part, from: level)
            }
        }
        return try result + pack(run, limit)
    }

    // MARK: - Joining short parts

    /// As few pieces as possible, of similar lengths.
    private func pack(_ parts: [Range<Int>], _ limit: TokenLimit) throws(DamaError) -> [Range<Int>] {
        var best = try pack(parts, maximum: limit.maximum, limit)
        guard (2...Self.mostBalancedParts).contains(best.count) else { return best }
        var low = 1
        var high = limit.maximum - 1
        while low <= high {
            let middle = (low + high) / 2
            let packed = try pack(parts, maximum: middle, limit)
            if packed.count == best.count {
                best = packed
                high = middle - 1
            } else {
                low = middle + 1
            }
        }
        return best
    }

    /// Joins neighbours while they stay within `maximum`; a part that exceeds it by itself stays alone.
    private func pack(
        _ parts: [Range<Int>], maximum: Int, _ limit: TokenLimit
    ) throws(DamaError) -> [Range<Int>] {
        var packed: [Range<Int>] = []
        for part in parts {
            if let last = packed.last {
                let joined = last.lowerBound..<part.upperBound
                if try limit.count(text(joined)) <= maximum {
                    packed[packed.count - 1] = joined
                    continue
                }
            }
            packed.append(part)
        }
        return packed
    }

    // MARK: - Places to split

    private func part(_ range: Range<Int>, _ level: Level) -> [Range<Int>] {
        var starts: [Int] = []
        switch level {
        case .clauses: starts = startsBehind(Terminators.clauseEnds.union(Terminators.all), in: range)
        case .commas: starts = startsBehind(Terminators.commas, in: range)
        case .conjunctions:
            starts = wordStarts(in: range).filter { start in
                let word = scalars[start..<range.upperBound].prefix { $0.properties.isAlphabetic }
                return Abbreviations.conjunctions.contains(String(String.UnicodeScalarView(word)).lowercased())
            }
        case .words: starts = wordStarts(in: range)
        case .characters:
            var position = range.lowerBound
            for character in String(String.UnicodeScalarView(scalars[range])) {
                starts.append(position)
                position += character.unicodeScalars.count
            }
        case .scalars: starts = Array(range)
        }
        var parts: [Range<Int>] = []
        var lower = range.lowerBound
        for start in starts + [range.upperBound] where start > lower {
            let part = trimmed(lower..<start)
            if !part.isEmpty { parts.append(part) }
            lower = start
        }
        return parts
    }

    private func wordStarts(in range: Range<Int>) -> [Int] {
        range.dropFirst().filter { !UnicodeClass.isSpace(scalars[$0]) && UnicodeClass.isSpace(scalars[$0 - 1]) }
    }

    /// Positions after one of `marks` and the closing quotes that follow it.
    private func startsBehind(_ marks: Set<Unicode.Scalar>, in range: Range<Int>) -> [Int] {
        var starts: [Int] = []
        for position in range where marks.contains(scalars[position]) {
            var end = position + 1
            while end < range.upperBound, Terminators.closers.contains(scalars[end]) || marks.contains(scalars[end]) {
                end += 1
            }
            guard end < range.upperBound else { break }
            let needsNoSpace =
                Terminators.unspacedClauseEnds.contains(scalars[position])
                || Terminators.fullWidth.contains(scalars[position])
            if needsNoSpace || UnicodeClass.isSpace(scalars[end]) { starts.append(end) }
        }
        return starts
    }
}
