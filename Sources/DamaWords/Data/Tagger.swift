import DamaSupport

/// NLTK's averaged perceptron: from left to right, each word gets the tag with the largest sum of weights.
///
/// Sums are of `Double`, in NLTK's order of features, so that they round as NLTK's do. Of equal sums the tag that is
/// last in the order of bytes wins.
///
/// Source: `nltk.tag.perceptron.PerceptronTagger`.
struct Tagger {
    let tags: [String]
    private let tagBytes: [[UInt8]]
    private let weights: UnsafeRawBufferPointer
    private let features: StringTable
    private let dictionary: StringTable

    /// - Throws: ``DamaError/Code/model`` if a table refers to what is not there.
    init(_ file: WordFile) throws(DamaError) {
        tagBytes = file[.tags].split(separator: UInt8(ascii: "\n")).map(Array.init)
        tags = tagBytes.map { String(decoding: $0, as: UTF8.self) }
        weights = file[.weights]
        features = try file.table(.features)
        dictionary = try file.table(.dictionary)
        guard !tags.isEmpty else { throw .model("the tagger has no tags") }
        let size = weights.count / 4
        for feature in 0..<features.count {
            let start = features.value(feature)
            guard start < size, case let count = Int(number(start)), count < size - start else {
                throw .model("the tagger's weights are damaged")
            }
            for index in start + 1..<start + 1 + count where Int(number(index) & 255) >= tags.count {
                throw .model("the tagger's weights are damaged")
            }
        }
        for word in 0..<dictionary.count where dictionary.value(word) >= tags.count {
            throw .model("the tagger's dictionary is damaged")
        }
    }

    @inline(__always)
    private func number(_ index: Int) -> UInt32 {
        UInt32(littleEndian: weights.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
    }

    /// The numbers of the words' tags.
    func tag(_ words: [[UInt8]]) -> [Int] {
        let start = [Self.bytes("-START-"), Self.bytes("-START2-")]
        let end = [Self.bytes("-END-"), Self.bytes("-END2-")]
        let context = start + words.map(Self.normalized) + end
        var previous = start[0]
        var beforePrevious = start[1]
        var found: [Int] = []
        found.reserveCapacity(words.count)
        var scores = [Double](repeating: 0, count: tags.count)
        var key: [UInt8] = []
        for (index, word) in words.enumerated() {
            let tag: Int
            if let known = dictionary.value(word) {
                tag = known
            } else {
                for label in scores.indices { scores[label] = 0 }
                visit(word, index + 2, context, previous, beforePrevious, &key) { key in add(key, to: &scores) }
                tag = Self.best(scores)
            }
            found.append(tag)
            beforePrevious = previous
            previous = tagBytes[tag]
        }
        return found
    }

    private static func best(_ scores: [Double]) -> Int {
        var best = 0
        for label in scores.indices where scores[label] >= scores[best] { best = label }
        return best
    }

    /// Adds the weights of a feature.
    private func add(_ key: [UInt8], to scores: inout [Double]) {
        guard let start = features.value(key) else { return }
        for index in start + 1..<start + 1 + Int(number(start)) {
            let weight = Int32(bitPattern: number(index))
            // The quotient is the number that the text "0.123" of the model means, to the last bit.
            scores[Int(weight & 255)] += Double(weight >> 8) / 1000
        }
    }

    /// Calls `body` with each feature of a word, in NLTK's order.
    @inline(__always)
    private func visit(
        _ word: [UInt8], _ index: Int, _ context: [[UInt8]], _ previous: [UInt8], _ beforePrevious: [UInt8],
        _ key: inout [UInt8], _ body: ([UInt8]) -> Void
    ) {
        func feature(_ name: StaticString, _ first: ArraySlice<UInt8>, _ second: [UInt8]? = nil) {
            key.removeAll(keepingCapacity: true)
            name.withUTF8Buffer { key.append(contentsOf: $0) }
            key.append(contentsOf: first)
            if let second {
                key.append(UInt8(ascii: " "))
                key.append(contentsOf: second)
            }
            body(key)
        }
        feature("bias", [])
        feature("i suffix ", Self.suffix(word))
        feature("i pref1 ", Self.firstScalar(word))
        feature("i-1 tag ", previous[...])
        feature("i-2 tag ", beforePrevious[...])
        feature("i tag+i-2 tag ", previous[...], beforePrevious)
        feature("i word ", context[index][...])
        feature("i-1 tag+i word ", previous[...], context[index])
        feature("i-1 word ", context[index - 1][...])
        feature("i-1 suffix ", Self.suffix(context[index - 1]))
        feature("i-2 word ", context[index - 2][...])
        feature("i+1 word ", context[index + 1][...])
        feature("i+1 suffix ", Self.suffix(context[index + 1]))
        feature("i+2 word ", context[index + 2][...])
    }

    // MARK: Words

    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// The last three scalars.
    private static func suffix(_ word: [UInt8]) -> ArraySlice<UInt8> {
        var start = word.count
        var scalars = 0
        while start > 0, scalars < 3 {
            start -= 1
            // A byte 10xxxxxx continues a scalar.
            if word[start] & 0xC0 != 0x80 { scalars += 1 }
        }
        return word[start...]
    }

    private static func firstScalar(_ word: [UInt8]) -> ArraySlice<UInt8> {
        let next = word.indices.dropFirst().first { word[$0] & 0xC0 != 0x80 }
        return word[..<(next ?? word.count)]
    }

    /// The word as the features of its neighbours see it.
    private static func normalized(_ word: [UInt8]) -> [UInt8] {
        guard let first = word.first else { return word }
        if first != UInt8(ascii: "-"), word.contains(UInt8(ascii: "-")) { return bytes("!HYPHEN") }
        if word.allSatisfy({ $0 < 0x80 }) {
            func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
            if isDigit(first) { return bytes(word.count == 4 && word.allSatisfy(isDigit) ? "!YEAR" : "!DIGITS") }
            return word.map { $0 >= 0x41 && $0 <= 0x5A ? $0 + 0x20 : $0 }
        }
        let scalars = Scalars(String(decoding: word, as: UTF8.self).unicodeScalars)
        if scalars.count == 4, scalars.allSatisfy(\.isPythonDigit) { return bytes("!YEAR") }
        if scalars.first?.isPythonDigit ?? false { return bytes("!DIGITS") }
        return scalars.pythonLowered().utf8Bytes
    }
}
