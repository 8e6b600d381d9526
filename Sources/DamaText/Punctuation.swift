/// The characters that end, open and close sentences.
enum Terminators {
    static let all: Set<Unicode.Scalar> = [
        ".", "!", "?", "…", "‼", "⁇", "⁈", "⁉", "。", "！", "？", "｡", "．", "؟", "۔", "।", "॥", "։", "።", "၊", "။", "។",
    ]
    /// Full stops that need no space after them.
    static let fullWidth: Set<Unicode.Scalar> = ["。", "！", "？", "｡"]
    static let lineEnds: Set<Unicode.Scalar> = ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"]
    static let bullets: Set<Unicode.Scalar> = ["-", "–", "—", "*", "•", "‣", "◦", "▪", "●", "·", "+"]
    static let pairs: [Unicode.Scalar: Unicode.Scalar] = [
        "(": ")", "[": "]", "{": "}", "“": "”", "«": "»", "„": "“", "「": "」", "『": "』", "（": "）", "【": "】",
        "《": "》", "〈": "〉", "\"": "\"",
    ]
    static let closers: Set<Unicode.Scalar> = [
        ")", "]", "}", "”", "»", "’", "'", "\"", "」", "』", "）", "】", "》", "〉", "*", "_", "›",
    ]
    static let openers: Set<Unicode.Scalar> = [
        "(", "[", "{", "“", "«", "‘", "'", "\"", "「", "『", "（", "【", "《", "〈", "„", "‚", "‹", "*", "_", "¿", "¡",
    ]
    /// Marks that end a clause.
    static let clauseEnds: Set<Unicode.Scalar> = [";", ":", "—", "–", "；", "：", "؛"]
    static let commas: Set<Unicode.Scalar> = [",", "，", "、", "،", "､"]
    static let unspacedClauseEnds: Set<Unicode.Scalar> = ["；", "：", "，", "、", "､"]
}

/// English abbreviations in lower case, without their last full stop.
enum Abbreviations {
    /// Followed by a name or an example: never the end of a sentence.
    static let beforeName: Set<String> = [
        "mr", "mrs", "ms", "mx", "dr", "prof", "rev", "fr", "hon", "pres", "gov", "gen", "col", "maj", "capt", "cmdr",
        "lt", "sgt", "cpl", "messrs", "mme", "mlle", "e.g", "i.e", "eg", "ie", "cf", "vs", "viz", "approx", "esp",
        "incl", "excl", "resp",
    ]
    /// Part of a reference if a number follows.
    static let beforeNumber: Set<String> = [
        "no", "nos", "nr", "fig", "figs", "eq", "eqs", "p", "pp", "vol", "ch", "chap", "sec", "art", "ed", "eds", "tab",
        "ref", "c", "ca", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
    ]
    /// Possibly the end of a sentence; the next word decides.
    static let anywhere: Set<String> = [
        "etc", "inc", "ltd", "co", "corp", "bros", "jr", "sr", "esq", "ph.d", "phd", "b.sc", "m.sc", "dept", "univ",
        "est", "min", "max", "sec", "hr", "hrs", "oz", "lb", "lbs", "kg", "km", "cm", "mm", "mi", "yd", "sq", "ave",
        "blvd", "rd", "hwy", "apt", "bldg", "st", "ste", "mt", "ft", "al",
    ]
    /// Words that begin sentences far more often than they follow an abbreviation.
    static let sentenceStarters: Set<String> = [
        "The", "A", "An", "This", "That", "These", "Those", "There", "Here", "It", "Its", "It's", "He", "She", "They",
        "We", "You", "I", "His", "Her", "Their", "Our", "My", "Your", "In", "On", "At", "To", "From", "With", "Behind",
        "Above", "Below", "Near", "Next", "Beside", "Under", "Over", "Around", "Between", "Inside", "Outside", "And",
        "But", "Or", "So", "If", "When", "While", "Where", "What", "Who", "How", "Why", "Which", "As", "For", "By",
        "Some", "Many", "Several", "One", "Two", "Three", "Four", "Five", "Each", "All", "Both", "Another", "Other",
        "Additionally", "Also", "However", "Overall", "Then", "Finally", "Meanwhile", "Moreover", "Furthermore",
    ]
    /// Words before which a long sentence may be split.
    static let conjunctions: Set<String> = [
        "and", "or", "but", "nor", "while", "which", "who", "whose", "where", "when", "because", "so", "although",
        "though", "whereas", "since", "unless", "until", "that", "with", "as", "if", "then", "including",
    ]
}
