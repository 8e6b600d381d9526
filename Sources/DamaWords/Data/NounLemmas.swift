import DamaSupport

/// WordNet's nouns, and the way from a form to its lemma.
///
/// Source: `nltk.stem.WordNetLemmatizer` and `WordNetCorpusReader._morphy` of NLTK 3.8.1, 3.9.1 and 3.10.4.
struct NounLemmas {
    private let nouns: StringTable
    private let exceptions: StringTable
    private let rules: WordRules

    static let none = 0xFFFF_FFFF

    /// - Throws: ``DamaError/Code/model`` if a table refers to what is not there.
    init(_ file: WordFile, _ rules: WordRules) throws(DamaError) {
        nouns = try file.table(.nouns)
        exceptions = try file.table(.exceptions)
        self.rules = rules
        for entry in 0..<exceptions.count {
            let lemma = exceptions.value(entry)
            guard lemma < nouns.count || lemma == Self.none else { throw .model("the table of exceptions is damaged") }
        }
    }

    func contains(_ word: [UInt8]) -> Bool { nouns.contains(word) }

    /// The shortest noun that `word` is or may be a form of; `word` itself if there is none.
    func lemma(_ word: [UInt8]) -> [UInt8] {
        if let index = exceptions.value(word) { return index == Self.none ? word : Array(nouns.key(index)) }
        var forms = Self.forms(word)
        if let found = shortest([word] + forms) { return found }
        while rules == .nltk3_8, !forms.isEmpty {
            forms = forms.flatMap(Self.forms)
            if let found = shortest(forms) { return found }
        }
        return word
    }

    /// The first of the shortest nouns among `forms`, by their numbers of scalars.
    private func shortest(_ forms: [[UInt8]]) -> [UInt8]? {
        forms.filter(nouns.contains).min { Self.scalarCount($0) < Self.scalarCount($1) }
    }

    static func scalarCount(_ word: [UInt8]) -> Int { word.reduce(0) { $0 + ($1 & 0xC0 != 0x80 ? 1 : 0) } }

    private static let endings: [(old: [UInt8], new: [UInt8])] = [
        ("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"),
        ("men", "man"), ("ies", "y"),
    ].map { (Array($0.utf8), Array($1.utf8)) }

    /// What each rule makes of a word.
    private static func forms(_ word: [UInt8]) -> [[UInt8]] {
        endings.compactMap { old, new in
            word.count >= old.count && word.suffix(old.count).elementsEqual(old) ? word.dropLast(old.count) + new : nil
        }
    }
}
