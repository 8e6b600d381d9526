import DamaSupport
import DamaText

/// Checks whether a language model's sub-sentences can replace the response that they came from.
///
/// A small or interrupted model omits content, invents content, talks about the task or returns the response unchanged.
/// CLIP would score any of these, so an answer that fails the check is not used.
public struct SplitCheck: Sendable {
    /// The maximum number of tokens of a sub-sentence: CLIP's 77.
    public var tokenLimit: Int
    /// The minimum share of a sub-sentence's words that occur in the response. It is below 1 because a word may change
    /// its form, such as "being" to "is".
    public var minimumShareFromResponse = 0.7
    /// The minimum share of the response's words that occur in some sub-sentence.
    public var minimumCoverage = 0.6

    public init(tokenLimit: Int) { self.tokenLimit = tokenLimit }

    /// The reason why an answer was refused.
    public enum Failure: String, Error, CaseIterable, Sendable {
        case empty = "no sub-sentence"
        case tooMany = "more sub-sentences than words allow"
        case tooLong = "a sub-sentence over the token limit"
        case invented = "a sub-sentence whose words are not the response's"
        case incomplete = "words of the response left out"
        case undivided = "a sub-sentence of several sentences"

        /// The flag that rows get.
        public var flag: String {
            switch self {
            case .empty: "empty"
            case .tooMany: "too_many"
            case .tooLong: "too_long"
            case .invented: "invented"
            case .incomplete: "incomplete"
            case .undivided: "undivided"
            }
        }
    }

    /// The first failed check; `nil` if the answer passes.
    public func failure(
        of subSentences: [String], for response: String, tokenCount: (String) throws(DamaError) -> Int
    ) throws(DamaError) -> Failure? {
        let words = Self.words(response)
        guard !subSentences.isEmpty, subSentences.allSatisfy({ !Self.words($0).isEmpty }) else { return .empty }
        // A fact takes at least two words ("dogs run"); one more sub-sentence allows for the rounding of short
        // responses.
        guard subSentences.count <= words.count / 2 + 1 else { return .tooMany }
        for subSentence in subSentences where try tokenCount(subSentence) > tokenLimit { return .tooLong }
        let known = Set(words)
        var used = Set<String>()
        for subSentence in subSentences {
            let own = Self.words(subSentence)
            let shared = own.filter { known.contains($0) || Self.functionWords.contains($0) }
            guard Double(shared.count) >= minimumShareFromResponse * Double(own.count) else { return .invented }
            used.formUnion(own)
        }
        let content = known.subtracting(Self.functionWords)
        let covered = content.intersection(used)
        guard Double(covered.count) >= minimumCoverage * Double(content.count) else { return .incomplete }
        for subSentence in subSentences {
            guard try BuiltInSplitter().split(subSentence, limit: nil).count <= 1 else { return .undivided }
        }
        return nil
    }

    /// Lower-cased runs of letters and digits.
    static func words(_ text: String) -> [String] {
        text.lowercased().split { !$0.isLetter && !$0.isNumber && $0 != "'" }.map(String.init)
    }

    /// Words that splitting may add or remove without changing the meaning.
    private static let functionWords: Set<String> = [
        "a", "an", "the", "is", "are", "was", "were", "be", "been", "being", "there", "it", "its", "they", "them",
        "their",
        "he", "she", "his", "her", "him", "this", "that", "these", "those", "and", "or", "but", "with", "of", "in",
        "on",
        "at", "to", "which", "who", "has", "have", "while", "as", "also", "some", "one",
    ]
}
