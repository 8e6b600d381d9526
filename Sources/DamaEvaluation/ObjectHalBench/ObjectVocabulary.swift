import DamaSupport

/// The objects of COCO and their synonyms, as RLAIF-V's `synonyms_refine.txt` lists them: a line for each class, with
/// the class first.
///
/// Source: the class CHAIR of `eval/eval_gpt_obj_halbench.py` of RLAIF-V 83d917b, after `utils/chair.py` of
/// LisaAnne/Hallucination (Rohrbach et al. 2018).
struct ObjectVocabulary: Sendable {
    /// A word that names an object, and the object's class.
    struct Mention: Equatable, Sendable {
        var word: String
        var object: String
    }

    private var objects: [ExactText: String] = [:]
    private var pairs: [ExactText: String] = [:]

    /// - Parameter table: The contents of `synonyms_refine.txt`.
    /// - Throws: ``DamaError/Code/invalidArgument`` if it has no words.
    init(_ table: String) throws(DamaError) {
        for line in table.utf8.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
            let words = Self.words(line)
            guard let object = words.first else { continue }
            // A word of two classes belongs to the later one.
            for word in words { objects[ExactText(word)] = object }
        }
        guard !objects.isEmpty else { throw .invalidArgument("the table of synonyms has no words") }
        for word in objects.keys where word.text.utf8.contains(UInt8(ascii: " ")) { pairs[word] = word.text }
        for pair in ["home plate", "train track"] { pairs[ExactText(pair)] = pair }
        // "Baby" is a person, but a baby bird is none.
        for animal in [
            "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "animal", "cub",
        ] {
            for age in ["baby", "adult"] { pairs[ExactText("\(age) \(animal)")] = animal }
        }
        for vehicle in ["jet", "train"] { pairs[ExactText("passenger \(vehicle)")] = vehicle }
        // "Glas" is what a lemmatiser makes of "glass".
        for (pair, word) in [("bow tie", "tie"), ("toilet seat", "toilet"), ("wine glas", "wine glass")] {
            pairs[ExactText(pair)] = word
        }
    }

    /// The words of a line between a comma and a blank.
    private static func words(_ line: Substring.UTF8View) -> [String] {
        var words: [[UInt8]] = [[]]
        var bytes = Array(line)[...]
        while let byte = bytes.popFirst() {
            if byte == UInt8(ascii: ","), bytes.first == UInt8(ascii: " ") {
                bytes.removeFirst()
                words.append([])
            } else {
                words[words.count - 1].append(byte)
            }
        }
        return words.map { word in
            let start = word.drop { $0 <= 0x20 }
            return String(
                decoding: start.prefix(start.count - start.reversed().prefix { $0 <= 0x20 }.count), as: UTF8.self)
        }.filter { !$0.isEmpty }
    }

    /// The class of a word; `nil` if it names no object.
    func object(_ word: String) -> String? { objects[ExactText(word)] }

    /// The words with two that are one, "stop sign", joined: from left to right, a word belongs to one pair. A pair can
    /// stand for another word: "baby bird" for "bird".
    func joined(_ words: [String]) -> [String] {
        pass(words).map { $0.word }
    }

    /// The joined pairs alone.
    func pairs(in words: [String]) -> [String] {
        pass(words).filter { $0.isPair }.map { $0.word }
    }

    private func pass(_ words: [String]) -> [(word: String, isPair: Bool)] {
        var result: [(word: String, isPair: Bool)] = []
        var position = 0
        while position < words.count {
            if position + 1 < words.count, let pair = pairs[ExactText("\(words[position]) \(words[position + 1])")] {
                result.append((pair, true))
                position += 2
            } else {
                result.append((words[position], false))
                position += 1
            }
        }
        return result
    }

    /// The objects that the words name, in their order. Beside a toilet a seat is no chair.
    func mentions(in words: [String]) -> [Mention] {
        let isAtToilet = words.contains { $0.hasSameBytes(as: "toilet") }
        return words.compactMap { word in
            guard !isAtToilet || !word.hasSameBytes(as: "seat") else { return nil }
            return object(word).map { Mention(word: word, object: $0) }
        }
    }
}
