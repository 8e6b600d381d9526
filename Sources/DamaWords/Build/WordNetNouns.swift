import DamaSupport

/// WordNet's nouns and their irregular forms, from `index.noun` and `noun.exc`.
struct WordNetNouns {
    private var nouns: Set<ExactText> = []
    private var exceptions: [ExactText: [String]] = [:]
    /// The version that the file names, such as "3.0".
    private(set) var version: String?

    init(index: [UInt8], exceptions: [UInt8]) throws(DamaError) {
        for line in try TextLines.of(index) {
            // The licence stands before the words, each line after a number and blanks.
            if line.utf8.first == UInt8(ascii: " ") {
                if version == nil { version = Self.version(in: line) }
                continue
            }
            let fields = line.unicodeScalars.split(whereSeparator: \.isPythonSpace)
            guard fields.count >= 6, String(fields[1]) == "n" else {
                throw .model("index.noun: the line \(quoted(String(line.prefix(80)))) describes no noun")
            }
            nouns.insert(ExactText(String(fields[0])))
        }
        for line in try TextLines.of(exceptions) {
            let fields = line.unicodeScalars.split(whereSeparator: \.isPythonSpace).map { String($0) }
            guard let form = fields.first else { throw .model("noun.exc has an empty line") }
            self.exceptions[ExactText(form)] = Array(fields.dropFirst())
        }
        guard !nouns.isEmpty else { throw .model("index.noun has no nouns") }
    }

    /// The number in "WordNet 3.0 Copyright …".
    private static func version(in line: String) -> String? {
        let words = line.unicodeScalars.split(whereSeparator: \.isPythonSpace).map { String($0) }
        guard let place = words.firstIndex(of: "WordNet"), place + 1 < words.count,
            words[place + 1].utf8.first.map({ (0x30...0x39).contains($0) }) ?? false
        else { return nil }
        return words[place + 1]
    }

    func sections() throws(DamaError) -> [WordFile.Section: [UInt8]] {
        let order = nouns.sorted { $0.text.utf8.lexicographicallyPrecedes($1.text.utf8) }
        let numbers = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, UInt32($0)) })
        // The lemma of an irregular form depends on nothing else, so it is found here.
        var lemmas: [ExactText: UInt32] = [:]
        for (form, candidates) in exceptions {
            let known = ([form.text] + candidates).compactMap { candidate in
                numbers[ExactText(candidate)].map { (number: $0, length: candidate.unicodeScalars.count) }
            }
            let shortest = known.min { $0.length < $1.length }
            lemmas[form] = shortest?.number ?? UInt32(NounLemmas.none)
        }
        return [
            .nouns: try StringTable.encoded(order.map(\.text)), .exceptions: try StringTable.encoded(lemmas),
        ]
    }
}
