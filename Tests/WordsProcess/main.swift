import DamaSupport
import DamaWords
import Glibc

// WordsProcess make OUT FILE…: makes word data of the files, and prints a line for each source.
// WordsProcess run FILE [RULES]: reads lines {"text": …} and writes what the words of each text are.
// WordsProcess time FILE [RULES]: same without output; prints the processor seconds of opening and of
// reading all texts, and the numbers of tokens and of letters in lemmas.
let arguments = Array(CommandLine.arguments.dropFirst())

func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

func texts() throws(DamaError) -> [String] {
    var texts: [String] = []
    while let line = readLine() {
        guard let text = try JSON(parsing: Array(line.utf8)).object?["text"]?.string else {
            throw .invalidArgument("a line has no text")
        }
        texts.append(text)
    }
    return texts
}

func array(_ strings: [String]) -> JSON { .array(strings.map(JSON.string)) }

func run() throws(DamaError) {
    switch arguments.first {
    case "make" where arguments.count > 2:
        let summary = try WordDataBuilder.write(from: Array(arguments[2...]), to: arguments[1])
        for source in summary.sources { print(source.sha256, source.name, source.path) }
        print(summary.sha256, summary.byteCount, summary.path)
    case "run" where arguments.count > 1:
        let words = try WordData(path: arguments[1], rules: rules())
        for text in try texts() {
            let tokens = words.tokens(text)
            let result: JSON = .object([
                "sentences": array(words.sentences(text)), "tokens": array(tokens), "tags": array(words.tags(tokens)),
                "lemmas": array(tokens.map(words.nounLemma)), "nouns": .array(tokens.map { .bool(words.isNoun($0)) }),
            ])
            print(result.text)
        }
    case "time" where arguments.count > 1:
        let all = try texts()
        let start = seconds()
        let words = try WordData(path: arguments[1], rules: rules())
        let opened = seconds()
        var count = 0
        var letters = 0
        for text in all {
            let tokens = words.tokens(text)
            for (token, tag) in zip(tokens, words.tags(tokens)) where tag.hasPrefix("NN") {
                letters += words.nounLemma(token).utf8.count
            }
            count += tokens.count
        }
        print(opened - start, seconds() - opened, count, letters)
    default: exit(64)
    }
}

func rules() throws(DamaError) -> WordRules {
    guard arguments.count > 2 else { return .nltk3_9 }
    guard let rules = WordRules(rawValue: arguments[2]) else {
        throw .invalidArgument("there are no rules of NLTK \(arguments[2])")
    }
    return rules
}

do throws(DamaError) {
    try run()
} catch {
    print("\(error)")
    exit(1)
}
