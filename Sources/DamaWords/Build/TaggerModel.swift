import DamaArchive
import DamaSupport

/// A trained tagger as NLTK's files describe it.
struct TaggerModel {
    private var weights: [ExactText: [ExactText: Double]] = [:]
    private var dictionary: [ExactText: ExactText] = [:]
    private var tags: Set<ExactText> = []

    // MARK: Reading

    /// Python's `pickle.dump((weights, tagdict, classes), file)`: `averaged_perceptron_tagger.pickle`.
    init(pickle bytes: [UInt8]) throws(DamaError) {
        let pickle = try bytes.withUnsafeBufferPointer { bytes throws(DamaError) in
            try PickleReader.read(UnsafeRawBufferPointer(bytes), names: Self.checkName)
        }
        guard case .tuple(let root) = pickle.root, case let parts = pickle.sequences[root], parts.count == 3,
            case .dictionary(let weights) = parts[0], case .dictionary(let dictionary) = parts[1],
            case .call(let call) = parts[2], case .list(let tags)? = pickle.calls[call].arguments.first
        else {
            throw .model("the pickle is no tagger of NLTK: expected weights, a dictionary of tags and a set of tags")
        }
        for tag in pickle.sequences[tags] { self.tags.insert(try Self.text(tag)) }
        for (word, tag) in pickle.dictionaries[dictionary] {
            self.dictionary[try Self.text(word)] = try Self.text(tag)
        }
        for (feature, scores) in pickle.dictionaries[weights] {
            guard case .dictionary(let index) = scores else { throw Self.noWeights }
            var sums: [ExactText: Double] = [:]
            for (tag, weight) in pickle.dictionaries[index] {
                switch weight {
                case .double(let value): sums[try Self.text(tag)] = value
                case .int(let value): sums[try Self.text(tag)] = Double(value)
                default: throw Self.noWeights
                }
            }
            self.weights[try Self.text(feature)] = sums
        }
    }

    private static let sets = [PickleName("__builtin__", "set"), PickleName("builtins", "set")]

    private static func checkName(_ name: PickleName) throws(DamaError) {
        guard sets.contains(name) else {
            throw .unsupported("the pickle refers to \(name.text); a tagger of NLTK has dictionaries and a set")
        }
    }

    private static let noWeights = DamaError.model("the tagger has a feature whose weights are no numbers of tags")

    private static func text(_ value: PickleValue) throws(DamaError) -> ExactText {
        guard case .text(let text) = value else {
            throw .model("the tagger has a word, feature or tag that is no string")
        }
        return ExactText(text)
    }

    /// The three files of `averaged_perceptron_tagger_eng`.
    init(weights: JSON, dictionary: JSON, tags: JSON) throws(DamaError) {
        guard let weights = weights.object, let dictionary = dictionary.object, let tags = tags.array else {
            throw .model("the tagger's JSON files hold no objects and no array of tags")
        }
        for tag in tags {
            guard let tag = tag.string else { throw .model("the tagger has a tag that is no string") }
            self.tags.insert(ExactText(tag))
        }
        for (word, tag) in dictionary.members {
            guard let tag = tag.string else { throw .model("the tagger's word \(quoted(word)) has no tag") }
            self.dictionary[ExactText(word)] = ExactText(tag)
        }
        for (feature, scores) in weights.members {
            guard let scores = scores.object else { throw Self.noWeights }
            var sums: [ExactText: Double] = [:]
            for (tag, weight) in scores.members {
                guard let weight = weight.double else { throw Self.noWeights }
                sums[ExactText(tag)] = weight
            }
            self.weights[ExactText(feature)] = sums
        }
    }

    // MARK: Writing

    /// The parts of a word-data file.
    func sections() throws(DamaError) -> [WordFile.Section: [UInt8]] {
        let order = tags.sorted { $0.text.utf8.lexicographicallyPrecedes($1.text.utf8) }
        guard !order.isEmpty, order.count <= 255 else {
            throw .unsupported("the tagger has \(order.count) tags; expected 1 to 255")
        }
        guard !order.contains(where: { $0.text.utf8.isEmpty || $0.text.utf8.contains(UInt8(ascii: "\n")) }) else {
            throw .unsupported("the tagger has a tag that is empty or has a line feed")
        }
        let numbers = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, UInt32($0)) })
        var list = ByteWriter()
        var position: UInt32 = 0
        var features: [ExactText: UInt32] = [:]
        for feature in weights.keys.sorted(by: { $0.text.utf8.lexicographicallyPrecedes($1.text.utf8) }) {
            // A tag outside of the set is never chosen.
            let scores = (weights[feature] ?? [:]).compactMap { tag, weight in numbers[tag].map { ($0, weight) } }
            features[feature] = position
            list.append(UInt32(scores.count))
            for (tag, weight) in scores.sorted(by: { $0.0 < $1.0 }) {
                list.append(UInt32(bitPattern: try Self.thousandths(weight)) << 8 | tag)
            }
            let (next, overflow) = position.addingReportingOverflow(UInt32(scores.count) + 1)
            guard !overflow else { throw .unsupported("the tagger has too many weights") }
            position = next
        }
        var words: [ExactText: UInt32] = [:]
        for (word, tag) in dictionary {
            guard let number = numbers[tag] else {
                throw .model(
                    "the tagger's word \(quoted(word.text)) has the tag \(quoted(tag.text)), which is no class")
            }
            words[word] = number
        }
        return [
            .tags: Array(order.map(\.text).joined(separator: "\n").utf8), .weights: list.bytes,
            .features: try StringTable.encoded(features), .dictionary: try StringTable.encoded(words),
        ]
    }

    /// NLTK rounds the mean weights to three decimals. As whole thousandths they are exact.
    private static func thousandths(_ weight: Double) throws(DamaError) -> Int32 {
        let scaled = (weight * 1000).rounded()
        guard abs(scaled) < 8_388_608, let number = Int32(exactly: scaled), Double(number) / 1000 == weight else {
            throw .unsupported("the tagger has the weight \(weight); expected at most three decimals, below 8388")
        }
        return number
    }
}
