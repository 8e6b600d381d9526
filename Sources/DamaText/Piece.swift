import DamaPattern
import DamaSupport

/// A part of a text during encoding.
struct Piece: Sendable {
    var scalars: ArraySlice<Unicode.Scalar>
    /// True if the piece begins at the start of the input text.
    var startsText: Bool

    init(_ scalars: ArraySlice<Unicode.Scalar>, startsText: Bool) {
        self.scalars = scalars
        self.startsText = startsText
    }

    init(_ scalars: [Unicode.Scalar], startsText: Bool) {
        self.init(scalars[...], startsText: startsText)
    }

    /// The part of this piece that `range`, in indices of `scalars`, covers.
    func part(_ range: Range<Int>) -> Piece {
        Piece(scalars[range], startsText: startsText && range.lowerBound == scalars.startIndex)
    }
}

/// What becomes of the matches of a pattern when a piece is split.
enum SplitBehavior: String, Sendable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"
}

extension Piece {
    /// Splits at `matches`, which are sorted and do not overlap; `isInverted` exchanges matches and other text.
    func split(at matches: [Range<Int>], _ behavior: SplitBehavior, isInverted: Bool = false) -> [Piece] {
        var segments: [(range: Range<Int>, isMatch: Bool)] = []
        segments.reserveCapacity(matches.count * 2 + 1)
        var end = scalars.startIndex
        for match in matches {
            if end < match.lowerBound { segments.append((end..<match.lowerBound, isInverted)) }
            segments.append((match, !isInverted))
            end = match.upperBound
        }
        if end < scalars.endIndex { segments.append((end..<scalars.endIndex, isInverted)) }

        var ranges: [Range<Int>] = []
        ranges.reserveCapacity(segments.count)
        switch behavior {
        case .removed: ranges = segments.compactMap { $0.isMatch ? nil : $0.range }
        case .isolated: ranges = segments.map(\.range)
        case .contiguous:
            var previous: Bool?
            for segment in segments {
                if segment.isMatch == previous, let last = ranges.popLast() {
                    ranges.append(last.lowerBound..<segment.range.upperBound)
                } else {
                    ranges.append(segment.range)
                }
                previous = segment.isMatch
            }
        case .mergedWithPrevious:
            var previous = false
            for segment in segments {
                if segment.isMatch, !previous, let last = ranges.popLast() {
                    ranges.append(last.lowerBound..<segment.range.upperBound)
                } else {
                    ranges.append(segment.range)
                }
                previous = segment.isMatch
            }
        case .mergedWithNext:
            var previous = false
            for segment in segments.reversed() {
                if segment.isMatch, !previous, let last = ranges.popLast() {
                    ranges.append(segment.range.lowerBound..<last.upperBound)
                } else {
                    ranges.append(segment.range)
                }
                previous = segment.isMatch
            }
            ranges.reverse()
        }
        return ranges.compactMap { $0.isEmpty ? nil : part($0) }
    }
}

/// A pattern as in tokenizer.json: `{"String": "…"}` or `{"Regex": "…"}`.
enum SplitPattern: Sendable {
    case literal([Unicode.Scalar])
    case expression(Pattern)

    func matches(
        in text: ArraySlice<Unicode.Scalar>, budget: inout StepBudget
    ) throws(DamaError) -> [Range<Int>] {
        switch self {
        case .expression(let pattern): return try pattern.matches(in: text, budget: &budget)
        case .literal(let literal): return Self.matches(of: literal, in: text)
        }
    }

    static func matches(of literal: [Unicode.Scalar], in text: ArraySlice<Unicode.Scalar>) -> [Range<Int>] {
        guard let first = literal.first else { return [] }
        var found: [Range<Int>] = []
        var index = text.startIndex
        while index + literal.count <= text.endIndex {
            if text[index] == first, text[index..<index + literal.count].elementsEqual(literal) {
                found.append(index..<index + literal.count)
                index += literal.count
            } else {
                index += 1
            }
        }
        return found
    }
}
