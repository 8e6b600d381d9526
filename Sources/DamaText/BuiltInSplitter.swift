import DamaSupport

/// Splits by punctuation: into sentences; one that is too long into clauses; a clause that is too long between words;
/// and a single word that is too long between characters.
///
/// Every character of the text other than white space is in exactly one sub-sentence, in the order of the text. White
/// space inside a sub-sentence becomes one space.
public struct BuiltInSplitter: SubSentenceSplitter {
    public init() {}

    /// - Throws: ``DamaError/Code/invalidArgument`` where the limit is too low for even one character.
    public func split(_ text: String, limit: TokenLimit?) throws(DamaError) -> [String] {
        let scalars = Array(text.unicodeScalars)
        let fitter = PieceFitter(scalars, limit: limit)
        var pieces: [Range<Int>] = []
        for sentence in SentenceScanner(scalars).sentences() {
            // "***" or "-" alone is no sentence: it goes to the one before, or waits for the next.
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

    /// `part` itself where it keeps to the limit, else its clauses, words or characters. Empty for white space.
    static func fit(_ part: String, limit: TokenLimit?) throws(DamaError) -> [String] {
        let fitter = PieceFitter(Array(part.unicodeScalars), limit: limit)
        let all = fitter.trimmed(0..<part.unicodeScalars.count)
        return all.isEmpty ? [] : try fitter.fit(all).map(fitter.text)
    }
}
