import DamaSupport

/// Which words of a vocabulary are similar: those whose vectors have a cosine above a threshold.
///
/// ```json
/// {"source": {"name": "en_core_web_lg", "version": "3.8.0", "sha256": "…"}, "threshold": 0.8,
///  "nearest": {"words": ["boat", "ship"], "similarity": 0.7998}, "without_vector": ["baconic"],
///  "pairs": [["bike", "bicycle"], …]}
/// ```
///
/// Only `pairs` is required. The list alone is a table too.
package struct SimilarWords: Sendable {
    /// Each pair once, in the order of the vocabulary.
    package var pairs: [(String, String)]
    /// Where the table comes from: the pipeline's `name` and `version`, and the wheel's `sha256`. `null` for a table
    /// that does not say it.
    package var source: JSON
    /// Words that are similar to themselves alone, because they have no vector.
    package var withoutVector: [String] = []
    /// The pair whose similarity is nearest to the threshold: how much rounding could matter.
    package var nearest: (words: (String, String), similarity: Double)?

    package static let threshold = 0.8

    /// Compares all pairs of `words` by the vectors in the wheel of a spaCy pipeline, as `Doc.similarity` does.
    ///
    /// - Throws: What ``WordVectors/init(of:fromWheel:)`` throws.
    package init(of words: [String], wheel path: String) throws(DamaError) {
        let vectors = try WordVectors(of: words, fromWheel: path)
        let rows = words.map { vectors.vector(of: $0) }
        let norms = rows.map { $0.map(Self.norm) ?? 0 }
        pairs = []
        withoutVector = zip(words, rows).filter { $0.1 == nil }.map(\.0)
        source = [
            "name": .string(vectors.name), "version": .string(vectors.version),
            "sha256": .string(try Files.digest(path).sha256),
        ]
        for first in words.indices {
            guard let a = rows[first] else { continue }
            for second in words.indices[(first + 1)...] {
                guard let b = rows[second] else { continue }
                let similarity = Self.cosine(a, b, norms[first] * norms[second])
                if similarity > Self.threshold { pairs.append((words[first], words[second])) }
                let distance = abs(similarity - Self.threshold)
                if distance < nearest.map({ abs($0.similarity - Self.threshold) }) ?? .infinity {
                    nearest = ((words[first], words[second]), similarity)
                }
            }
        }
    }

    /// Products in 32 bits, their sum in 64, as spaCy computes the norm.
    private static func norm(_ vector: [Float]) -> Double {
        vector.reduce(0.0) { $0 + Double($1 * $1) }.squareRoot()
    }

    /// spaCy's quotient has 32 bits. Its scalar product has too; summed in 64 bits here, because its order of
    /// summation is that of NumPy's library.
    private static func cosine(_ a: [Float], _ b: [Float], _ norms: Double) -> Double {
        var sum = 0.0
        for (x, y) in zip(a, b) { sum += Double(x) * Double(y) }
        return Double(Float(sum) / Float(norms))
    }

    // MARK: JSON

    package var json: JSON {
        .object(
            JSONObject(
                header + [
                    ("without_vector", .array(withoutVector.map { .string($0) })),
                    ("pairs", .array(pairs.map(Self.list))),
                ]))
    }

    /// For a job's settings: the table without its words.
    package var identity: JSON { .object(JSONObject(header + [("pairs", .int(Int64(pairs.count)))])) }

    private var header: [JSONObject.Member] {
        var members: [JSONObject.Member] = [("source", source), ("threshold", .double(Self.threshold))]
        if let nearest {
            members.append(("nearest", ["words": Self.list(nearest.words), "similarity": .double(nearest.similarity)]))
        }
        return members
    }

    private static func list(_ words: (String, String)) -> JSON { [.string(words.0), .string(words.1)] }

    /// - Throws: ``DamaError/Code/invalidArgument`` if the value is no table.
    package init(_ json: JSON) throws(DamaError) {
        guard let list = json.array ?? json["pairs"]?.array else {
            throw .invalidArgument("the table of similar words has no pairs; expected [[\"bike\", \"bicycle\"], …]")
        }
        if let threshold = json["threshold"]?.double, threshold != Self.threshold {
            throw .invalidArgument("the table of similar words has the threshold \(threshold), not \(Self.threshold)")
        }
        pairs = []
        for pair in list {
            guard let words = pair.array, words.count == 2, let first = words[0].string, let second = words[1].string
            else {
                throw .invalidArgument("the table of similar words has the pair \(pair.text); expected two words")
            }
            pairs.append((first, second))
        }
        source = json["source"] ?? .null
        withoutVector = json["without_vector"]?.array?.compactMap(\.string) ?? []
        if let words = json["nearest"]?["words"]?.array?.compactMap(\.string), words.count == 2,
            let similarity = json["nearest"]?["similarity"]?.double
        {
            nearest = ((words[0], words[1]), similarity)
        }
    }
}
