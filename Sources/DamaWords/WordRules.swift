/// The version of NLTK whose rules hold. The data is the same for all.
public enum WordRules: String, Sendable, CaseIterable {
    /// 3.8.1: a tokenizer that keeps runs of white space while it looks for clitics, and a lemmatiser that applies its
    /// rules again and again until it finds a word.
    case nltk3_8 = "3.8.1"
    /// 3.9.1: rules are applied once.
    case nltk3_9 = "3.9.1"
    /// 3.10.4: dashes of all widths and words in single quotes are separated, and curly quotes end sentences as
    /// straight ones do.
    case nltk3_10 = "3.10.4"
}
