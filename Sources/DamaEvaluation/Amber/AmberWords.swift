import DamaSupport

/// The words that AMBER knows, by number: which go together (`relation.json`), which are similar, which are safe.
struct AmberWords: Sendable {
    /// In the order of `relation.json`, each once.
    let words: [String]
    private let numbers: [ExactText: Int]
    /// By word: its associated words; `nil` for a word that has no entry of its own.
    private let associations: [[Int]?]
    private let safe: Set<Int>
    /// A row for each word, of a flag for each.
    private var similar: [Bool]

    /// The table of similar words grows with the square of this.
    private static let limit = 8192

    /// The words of `relation.json`.
    static func vocabulary(_ relation: JSON, name: String) throws(DamaError) -> [String] {
        guard let object = relation.object else {
            throw .invalidArgument("\(name) is \(relation.kind); expected an object of word lists")
        }
        if let key = object.repeatedKey { throw .invalidArgument("\(name) has the word \(quoted(key)) twice") }
        var seen: Set<ExactText> = []
        var words: [String] = []
        for (word, value) in object.members {
            let associated = value.array?.compactMap(\.string)
            guard let associated, associated.count == value.array?.count else {
                throw .invalidArgument("\(name): \(quoted(word)) has no list of words")
            }
            for word in [word] + associated where seen.insert(ExactText(word)).inserted { words.append(word) }
        }
        guard words.count <= limit else {
            throw .invalidArgument("\(name) has \(words.count) words; the limit is \(limit)")
        }
        return words
    }

    /// - Parameters:
    ///   - safeWords: The text of `safe_words.txt`, a word a line.
    ///   - names: The names of the three files, for messages.
    init(
        relation: JSON, safeWords: String, similar table: SimilarWords,
        names: (relation: String, similar: String)
    ) throws(DamaError) {
        words = try Self.vocabulary(relation, name: names.relation)
        numbers = Dictionary(uniqueKeysWithValues: words.enumerated().map { (ExactText($1), $0) })
        let numbers = numbers
        associations = words.map { word in
            relation.object?[word]?.array?.compactMap(\.string).compactMap { numbers[ExactText($0)] }
        }
        safe = Set(
            safeWords.utf8.split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
                .compactMap { numbers[ExactText(String(Substring($0)))] })
        similar = Array(repeating: false, count: words.count * words.count)
        for word in words.indices { similar[word * words.count + word] = true }
        for (first, second) in table.pairs {
            guard let a = numbers[ExactText(first)], let b = numbers[ExactText(second)] else {
                throw .invalidArgument(
                    "\(names.similar) has the pair \(quoted(first)), \(quoted(second)), which is not among the "
                        + "\(words.count) words of \(names.relation)")
            }
            similar[a * words.count + b] = true
            similar[b * words.count + a] = true
        }
    }

    func number(of word: String) -> Int? { numbers[ExactText(word)] }

    func isSafe(_ word: Int) -> Bool { safe.contains(word) }

    func areSimilar(_ a: Int, _ b: Int) -> Bool { similar[a * words.count + b] }

    /// The words that stand for the objects of a list: first those that go together with each object, then the objects.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for an object without an entry in `relation.json`.
    func list(_ objects: [String], name: String) throws(DamaError) -> [(word: Int, object: Int)] {
        var (associated, own): ([(word: Int, object: Int)], [(word: Int, object: Int)]) = ([], [])
        for (position, object) in objects.enumerated() {
            guard let word = number(of: object), let others = associations[word] else {
                throw .invalidArgument("\(name): the word \(quoted(object)) is not one of relation.json")
            }
            associated += others.map { ($0, position) }
            own.append((word, position))
        }
        return associated + own
    }
}
