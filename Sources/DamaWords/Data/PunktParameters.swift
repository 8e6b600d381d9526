/// What Punkt has learnt of a language.
struct PunktParameters {
    /// Where a word was seen with a large or a small first letter.
    struct Contexts: OptionSet {
        let rawValue: Int
        static let upperAtStart = Contexts(rawValue: 1 << 1)
        static let upperInside = Contexts(rawValue: 1 << 2)
        static let upperElsewhere = Contexts(rawValue: 1 << 3)
        static let lowerAtStart = Contexts(rawValue: 1 << 4)
        static let lowerInside = Contexts(rawValue: 1 << 5)
        static let lowerElsewhere = Contexts(rawValue: 1 << 6)
        static let upper: Contexts = [.upperAtStart, .upperInside, .upperElsewhere]
        static let lower: Contexts = [.lowerAtStart, .lowerInside, .lowerElsewhere]
    }

    let abbreviations: StringTable
    let collocations: StringTable
    let starters: StringTable
    let contexts: StringTable

    func isAbbreviation(_ word: some Collection<Unicode.Scalar>) -> Bool { abbreviations.contains(word.utf8Bytes) }

    func isStarter(_ type: Scalars) -> Bool { starters.contains(type.utf8Bytes) }

    func isCollocation(_ first: Scalars, _ second: Scalars) -> Bool {
        collocations.contains(first.utf8Bytes + [UInt8(ascii: "\n")] + second.utf8Bytes)
    }

    func context(_ type: Scalars) -> Contexts { Contexts(rawValue: contexts.value(type.utf8Bytes) ?? 0) }
}
