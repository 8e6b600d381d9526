import DamaSupport

/// Scores descriptions: which of their nouns are in the picture.
struct AmberGenerative: Sendable {
    private let words: AmberWords
    /// The lemmas of the nouns of a text, in its order.
    private let nouns: @Sendable (String) -> [String]
    /// By annotation; `nil` for questions.
    private let lists: [Lists?]

    private struct Lists {
        var truth: [(word: Int, object: Int)]
        var hallu: [(word: Int, object: Int)]
        var objects: (truth: [String], hallu: [String])
    }

    /// - Parameter name: The annotations' file, for messages.
    init(
        _ annotations: AmberAnnotations, name: String, _ words: AmberWords,
        nouns: @escaping @Sendable (String) -> [String]
    ) throws(DamaError) {
        self.words = words
        self.nouns = nouns
        var lists: [Lists?] = []
        for item in annotations.items {
            guard case .description(let truth, let hallu) = item else {
                lists.append(nil)
                continue
            }
            lists.append(
                Lists(
                    truth: try words.list(truth, name: name), hallu: try words.list(hallu, name: name),
                    objects: (truth, hallu)))
        }
        self.lists = lists
    }

    /// - Parameter item: The annotation's position.
    func score(_ text: String, item: Int) -> AnswerScore {
        guard let lists = lists[item] else { return AnswerScore(pass: nil, counts: [:]) }
        let found = nouns(text)
        let description = AmberDescription(
            found.compactMap(words.number), truth: lists.truth, truthCount: lists.objects.truth.count,
            hallu: lists.hallu, halluCount: lists.objects.hallu.count, words)
        func list(_ words: [String]) -> JSON { .array(words.map { .string($0) }) }
        func named(_ objects: [String], _ flags: [Bool]) -> JSON { list(zip(objects, flags).filter(\.1).map(\.0)) }
        return AnswerScore(
            pass: description.hallucinated.isEmpty, counts: description.counts,
            evidence: [
                "nouns": list(found), "hallucinated": list(description.hallucinated.map { words.words[$0] }),
                "covered": named(lists.objects.truth, description.covered),
                "imagined": named(lists.objects.hallu, description.imagined),
            ])
    }
}
