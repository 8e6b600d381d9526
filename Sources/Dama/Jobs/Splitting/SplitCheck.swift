import DamaSupport
import DamaText

/// Whether a language model's sub-sentences may stand for the response that they came from.
///
/// A model that is small, or was cut off, leaves things out, makes things up, talks about the task or gives the response
/// back as it was. CLIP would score what it wrote all the same, so an answer that fails here is not used.
public struct SplitCheck: Sendable {
    /// The most tokens a sub-sentence may have: CLIP's 77.
    public var tokenLimit: Int
    /// The share of a sub-sentence's words that must stand in the response. Not all of them: a pronoun's noun stands there,
    /// but "is" may have been "being".
    public var minimumShareFromResponse = 0.7
    /// The share of the response's words that must stand in some sub-sentence.
    public var minimumCoverage = 0.6

    public init(tokenLimit: Int) { self.tokenLimit = tokenLimit }

    /// Why an answer was refused.
    public enum Failure: String, Error, CaseIterable, Sendable {
        case empty = "no sub-sentence"
        case tooMany = "more sub-sentences than words allow"
        case tooLong = "a sub-sentence over the token limit"
        case invented = "a sub-sentence whose words are not the response's"
        case incomplete = "words of the response left out"
        case undivided = "a sub-sentence of several sentences"

        /// One word for it, as rows are flagged with.
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

    /// The first thing that is wrong; `nil` for a sound answer.
    public func failure(
        of subSentences: [String], for response: String, tokenCount: (String) throws(DamaError) -> Int
    ) throws(DamaError) -> Failure? {
        let words = Self.words(response)
        guard !subSentences.isEmpty, subSentences.allSatisfy({ !Self.words($0).isEmpty }) else { return .empty }
        // A fact takes two words at least ("dogs run"); one more for the rounding of short responses.
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

    /// Words that splitting may add or take away without changing what is said.
    private static let functionWords: Set<String> = [
        "a", "an", "the", "is", "are", "was", "were", "be", "been", "being", "there", "it", "its", "they", "them",
        "their",
        "he", "she", "his", "her", "him", "this", "that", "these", "those", "and", "or", "but", "with", "of", "in",
        "on",
        "at", "to", "which", "who", "has", "have", "while", "as", "also", "some", "one",
    ]
}
