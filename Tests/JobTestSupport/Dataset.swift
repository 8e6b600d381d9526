import Dama

/// A dataset of pairs for ``AngleEncoder``, the same for the same seed.
package struct Dataset {
    package struct Pair {
        package var image: Int
        package var chosen: [String]
        package var rejected: [String]
    }

    package var pairs: [Pair] = []
    package let imageCount: Int

    package init(count: Int, seed: UInt64 = 1) {
        var generator = RandomGenerator(seed: seed)
        imageCount = max(1, count / 3)
        for _ in 0..<count {
            func sentences() -> [String] {
                (0...generator.uniform(below: 4)).map { _ in
                    // Half of the sentences repeat.
                    let angle =
                        Double(
                            generator.uniform(below: 2) == 0
                                ? generator.uniform(below: 30) : generator.uniform(below: 5000)) / 100
                    return "it is at @\(Int(angle * 100))"
                }
            }
            pairs.append(
                Pair(
                    image: generator.uniform(below: imageCount), chosen: sentences(), rejected: sentences()))
        }
    }

    package static func angle(ofImage image: Int) -> Float { Float(image % 97) / 16 }

    /// Writes `pairs.jsonl` and the folder `images`.
    package func write(to folder: String, bad: Bool = false) throws {
        for image in 0..<imageCount {
            try Files.writeAtomically(
                Array("ANGLE \(Self.angle(ofImage: image))".utf8), to: "\(folder)/image\(image).txt")
        }
        try Files.writeAtomically(lines(bad: bad), to: "\(folder)/pairs.jsonl")
    }

    /// The rows as JSON Lines; with `bad`, every seventh row is invalid in some way.
    package func lines(bad: Bool = false) -> [UInt8] {
        var bytes: [UInt8] = []
        for (index, pair) in pairs.enumerated() {
            if bad && index % 7 == 3 {
                bytes +=
                    [
                        "{\"idx\": 1, \"image\"\n",
                        "{\"image\": \"none.txt\", \"chosen\": \"a\", \"rejected\": \"b\"}\n",
                        "{\"image\": \"image0.txt\", \"chosen\": \"a\"}\n",
                    ][index % 3].utf8
                continue
            }
            let row: JSON = [
                "idx": .int(Int64(index)), "image": .string("image\(pair.image).txt"),
                "question": "Where is it?",
                "chosen": .string(pair.chosen.joined(separator: ". ") + "."),
                "rejected": .string(pair.rejected.joined(separator: ". ") + "."),
            ]
            bytes += row.text.utf8
            bytes.append(0x0A)
        }
        return bytes
    }
}
