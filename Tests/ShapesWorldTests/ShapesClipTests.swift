import DamaImage
import DamaModels
import DamaPreference
import DamaSupport
import DamaTestSupport
import DamaText
import XCTest

@testable import ShapesWorld

/// The committed CLIP, through the library's own path from JPEG bytes to δ.
final class ShapesClipTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    static func model(_ name: String) -> String {
        var path = "\(#filePath)"
        for _ in 0..<3 { path = String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]) }
        return "\(path)/models/\(name)"
    }

    func testHardnessFollowsTheDifferenceOfFalseShares() throws {
        let scorer = try Scorer(directory: Self.model("shapes-clip"))
        let generator = PairGenerator(scenes: SceneGenerator(seed: 7, split: .preference))
        let renderer = try Renderer()
        var deltas: [Double] = []
        var differences: [Double] = []
        for index in 0..<150 {
            let pair = generator.pair(index)
            let jpeg = try JPEGEncoder.encode(renderer.render(pair.scene), quality: 90)
            let chosen = SentenceParser.sentences(pair.chosen.text)
            let rejected = SentenceParser.sentences(pair.rejected.text)
            let scores = try scorer.score(image: .bytes(jpeg), sentences: chosen + rejected)
            let result = try Hardness.fromProbabilities(
                chosen: Array(scores.prefix(chosen.count)), rejected: Array(scores.dropFirst(chosen.count)))
            deltas.append(result.delta)
            differences.append(pair.shareDifference)
        }
        // transformers finds .81 on 500 of these pairs; with 150 the standard error is about .04.
        XCTAssertGreaterThan(try XCTUnwrap(RankCorrelation.spearman(deltas, differences)), 0.68)
    }

    /// δ of float16 near that of float32: differences of probabilities of logits that are off by a few hundredths.
    func testHardnessInFloat16() throws {
        var options = Scorer.Options()
        options.precision = .float16
        let scorers = [
            try Scorer(directory: Self.model("shapes-clip")),
            try Scorer(directory: Self.model("shapes-clip"), options: options),
        ]
        let generator = PairGenerator(scenes: SceneGenerator(seed: 7, split: .preference))
        let renderer = try Renderer()
        for index in 0..<10 {
            let pair = generator.pair(index)
            let jpeg = try JPEGEncoder.encode(renderer.render(pair.scene), quality: 90)
            let chosen = SentenceParser.sentences(pair.chosen.text)
            let rejected = SentenceParser.sentences(pair.rejected.text)
            let deltas = try scorers.map { scorer in
                let scores = try scorer.score(image: .bytes(jpeg), sentences: chosen + rejected)
                return try Hardness.fromProbabilities(
                    chosen: Array(scores.prefix(chosen.count)), rejected: Array(scores.dropFirst(chosen.count))
                ).delta
            }
            XCTAssertEqual(deltas[1], deltas[0], accuracy: 0.02)
            XCTAssertNotEqual(deltas[1], deltas[0])
        }
    }

    /// Journals and summaries of version 0.1 hold this value, which its `dama score` wrote for the same files. Another one
    /// would make every unfinished job of that version start again. It changes with the files of the model.
    func testTheFingerprintIsThatOfEarlierVersions() throws {
        XCTAssertEqual(
            try DualEncoder(directory: Self.model("shapes-clip")).fingerprint,
            "84f893fa5a452b667e49dcc462b0e059f4279ae5625e7192d757ddd96a7e2006")
    }

    /// The splitter that `dama score` uses leaves the world's sentences whole, so that shares count the same things.
    func testTheBuiltInSplitterFindsTheSentences() throws {
        let encoder = try Scorer(directory: Self.model("shapes-clip")).encoder
        let limit = TokenLimit(maximum: encoder.tokenLimit, count: encoder.tokenCount)
        let generator = PairGenerator(scenes: SceneGenerator(seed: 8, split: .preference))
        for index in 0..<300 {
            let text = generator.pair(index).rejected.text
            XCTAssertEqual(try BuiltInSplitter().split(text, limit: limit), SentenceParser.sentences(text))
        }
    }
}
