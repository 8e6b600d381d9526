import DamaSupport

/// Splits by punctuation into sentences. A sentence over the limit is split into clauses, a clause over the limit
/// between words, and a single word over the limit between characters.
///
/// Every character of the text other than white space is in exactly one sub-sentence, in the order of the text. White
/// space inside a sub-sentence becomes one space.
public struct BuiltInSplitter: SubSentenceSplitter {
    public init() {}

    /// - Throws: ``DamaError/Code/invalidArgument`` if the limit is too low for a single character.
    public func split(_ text: String, limit: TokenLimit?) throws(DamaError) -> [String] {
        let scalars = Array(scalarsOf: text)
        let fitter = PieceFitter(scalars, limit: limit)
        var pieces: [Range<Int>] = []
        for sentence in SentenceScanner(scalars).sentences() {
            // "***" or "-" alone is not a sentence: it joins the previous one, or waits for the next.
            if let last = pieces.last, !fitter.hasContent(last) || !fitter.hasContent(sentence) {
                let joined = last.lowerBound..<sentence.upperBound
                if try fitter.fits(joined) {
                    pieces[pieces.count - 1] = joined
                    continue
                }
            }
            pieces.append(sentence)
        }
        var result: [String] = []
        for piece in pieces { result += try fitter.fit(piece).map(fitter.text) }
        return result
    }

    /// `part` itself if it is within the limit, otherwise its clauses, words or characters. Empty for white space.
    static func fit(_ part: String, limit: TokenLimit?) throws(DamaError) -> [String] {
        let fitter = PieceFitter(Array(part.unicodeScalars), limit: limit)
        let all = fitter.trimmed(0..<part.unicodeScalars.count)
        return all.isEmpty ? [] : try fitter.fit(all).map(fitter.text)
    }
}
