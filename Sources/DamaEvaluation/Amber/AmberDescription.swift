/// The nouns of a description, compared with the objects that are in the picture and those that a model may imagine:
/// the generative task of `inference.py` of AMBER 534babf.
struct AmberDescription {
    /// The nouns that AMBER knows, in their order.
    let nouns: [Int]
    /// Those that are hallucinated, each time that they occur.
    private(set) var hallucinated: [Int] = []
    /// For each object of the picture, whether a noun names it.
    private(set) var covered: [Bool]
    /// For each object that a model may imagine, whether a noun names it.
    private(set) var imagined: [Bool]

    /// A noun names the object of the *first* word of a list that it equals, or is similar to. The order is that of the
    /// official script, in which an equal word of the picture ends the search, and one of the imagined does not.
    ///
    /// - Parameters:
    ///   - truth: The list of the picture's objects, of which there are `truthCount`.
    ///   - hallu: That of the objects that a model may imagine, of which there are `halluCount`.
    init(
        _ nouns: [Int], truth: [(word: Int, object: Int)], truthCount: Int, hallu: [(word: Int, object: Int)],
        halluCount: Int, _ words: AmberWords
    ) {
        self.nouns = nouns
        covered = Array(repeating: false, count: truthCount)
        imagined = Array(repeating: false, count: halluCount)
        for noun in nouns where !words.isSafe(noun) {
            if let equal = truth.first(where: { $0.word == noun }) {
                covered[equal.object] = true
                continue
            }
            if let equal = hallu.first(where: { $0.word == noun }) { imagined[equal.object] = true }
            if let similar = hallu.first(where: { words.areSimilar(noun, $0.word) }) {
                imagined[similar.object] = true
            }
            if let similar = truth.first(where: { words.areSimilar(noun, $0.word) }) {
                covered[similar.object] = true
            } else {
                hallucinated.append(noun)
            }
        }
    }

    /// What the answer adds to the metrics.
    var counts: Counts {
        func number(_ flags: [Bool]) -> Double { Double(flags.count { $0 }) }
        return [
            "nouns": Double(nouns.count), "hallucinated": Double(hallucinated.count),
            "truth_words": Double(covered.count), "covered": number(covered),
            "hallu_words": Double(imagined.count), "imagined": number(imagined),
            "descriptions": 1, "clean": hallucinated.isEmpty ? 1 : 0,
        ]
    }
}
