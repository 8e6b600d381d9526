import DamaPreference
import DamaRuntime
import DamaSupport
import DamaTestSupport
import DamaText
import XCTest

@testable import DamaModels

/// Eq. (4) and `Scorer.hardness`.
final class ScorerHardnessTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private let image = Scorer.Image.path(Fixtures.path("clip/wide.jpg"))

    private func scorer(_ variant: String = "legacy") throws -> Scorer {
        try Scorer(directory: CLIPTests.directory(variant))
    }

    // MARK: Eq. (4)

    /// Every score equals a loop over one pair bit for bit, regardless of the rest of the call.
    func testAScoreDependsOnItsImageAndItsTextAlone() throws {
        var generator = RandomGenerator(seed: 5, stream: 0)
        for width in [1, 2, 16, 511, 512] {
            func embeddings(_ count: Int) -> [[Float]] {
                (0..<count).map { _ in (0..<width).map { _ in Float(generator.uniform() - 0.5) } }
            }
            let (images, texts) = (embeddings(5), embeddings(35))
            let scale: Float = 98.7
            let together = try Scorer.scores(images: images, texts: texts, scale: scale)
            for (row, image) in images.enumerated() {
                for (column, text) in texts.enumerated() {
                    var sum: Float = 0
                    var exact = 0.0
                    for (a, b) in zip(image, text) {
                        sum += a * b
                        exact += Double(a) * Double(b)
                    }
                    let found = together[row * texts.count + column]
                    XCTAssertEqual(found.bitPattern, (scale * sum).bitPattern)
                    XCTAssertEqual(Double(found), Double(scale) * exact, accuracy: 1e-3)
                    let alone = try Scorer.scores(images: [image], texts: [text], scale: scale)
                    XCTAssertEqual(alone.map(\.bitPattern), [found.bitPattern])
                }
            }
        }
    }

    func testEmbeddingsThatCannotBeCompared() throws {
        for (images, texts) in [([[1, 2], [1]], [[1, 2]]), ([[1, 2]], [[1, 2], [1]]), ([[]], [[]])]
            as [([[Float]], [[Float]])]
        {
            assertFails(.shapeMismatch, "different sizes") {
                _ = try Scorer.scores(images: images, texts: texts, scale: 1)
            }
        }
        XCTAssertEqual(try Scorer.scores(images: [], texts: [[1]], scale: 1), [])
        XCTAssertEqual(try Scorer.scores(images: [[1]], texts: [], scale: 1), [])
    }

    // MARK: Hardness

    /// δ and the softmax of transformers' logits, in double precision.
    func testHardnessEqualsTheEquations() throws {
        for variant in CLIPTests.variants {
            let expected = try CLIPTests.Expected(variant)
            let scorer = try scorer(variant)
            let split = 2
            let (chosen, rejected) = (
                Array(expected.sentences[..<split]), Array(expected.sentences[split...])
            )
            for (path, logits) in zip(expected.images, try expected.matrix("logits")) {
                let largest = try XCTUnwrap(logits.max())
                let weights = logits.map { exp($0 - largest) }
                let total = weights.reduce(0, +)
                let found = try scorer.hardness(image: .path(path), chosen: chosen, rejected: rejected)
                XCTAssertEqual(found.chosen.map(\.text) + found.rejected.map(\.text), expected.sentences)
                let delta = (weights[..<split].reduce(0, +) - weights[split...].reduce(0, +)) / total
                // Logits agree with transformers within 1e-3, see CLIPTests, so shares agree within a relative 1e-3.
                XCTAssertEqual(found.delta, delta, accuracy: 2e-3, variant)
                for (sentence, (logit, weight)) in zip(found.chosen + found.rejected, zip(logits, weights)) {
                    XCTAssertEqual(Double(sentence.score), logit, accuracy: 1e-3)
                    XCTAssertEqual(sentence.probability, weight / total, accuracy: 2e-3)
                }
                let ratio = try scorer.hardness(
                    image: .path(path), chosen: chosen, rejected: rejected, deltaSource: .scores)
                let (above, below) = (logits[..<split].reduce(0, +), logits[split...].reduce(0, +))
                XCTAssertEqual(ratio.delta * below, above, accuracy: 1e-2 * max(1, abs(ratio.delta)))
                XCTAssertEqual(ratio.chosen, found.chosen)
            }
        }
    }

    func testResponsesAreSplit() throws {
        let scorer = try scorer()
        let (chosen, rejected) = ("Two dogs run. One cat sleeps!", "A bird")
        let found = try scorer.hardness(image: image, chosen: chosen, rejected: rejected)
        XCTAssertEqual(found.chosen.map(\.text), ["Two dogs run.", "One cat sleeps!"])
        XCTAssertEqual(found.rejected.map(\.text), ["A bird"])
        XCTAssertEqual(
            found,
            try scorer.hardness(image: image, chosen: ["Two dogs run.", "One cat sleeps!"], rejected: ["A bird"]))
        let words = CallbackSplitter { $0.split(separator: " ").map(String.init) }
        XCTAssertEqual(
            try scorer.hardness(image: image, chosen: chosen, rejected: rejected, splitter: words).rejected.map(\.text),
            ["A", "bird"])
        // A text longer than the model takes is split further, as by a job.
        let long = Array(repeating: "seven", count: 300).joined(separator: " ")
        let parts = try scorer.hardness(image: image, chosen: long, rejected: rejected).chosen
        XCTAssertGreaterThan(parts.count, 1)
        XCTAssertEqual(parts.map(\.text).joined(separator: " "), long)
    }

    func testPairsThatHaveNoHardness() throws {
        let scorer = try scorer()
        assertFails(.invalidArgument, "the chosen response has no words") {
            _ = try scorer.hardness(image: self.image, chosen: " \n", rejected: "a")
        }
        assertFails(.invalidArgument, "the rejected response has no words") {
            _ = try scorer.hardness(image: self.image, chosen: "a", rejected: "")
        }
        assertFails(.invalidArgument, "the rejected response has no sub-sentences") {
            _ = try scorer.hardness(image: self.image, chosen: ["a"], rejected: [])
        }
        assertFails(.model, "the chosen response cannot be split: no") {
            _ = try scorer.hardness(
                image: self.image, chosen: "a", rejected: "b",
                splitter: CallbackSplitter { _ in throw DamaError.model("no") })
        }
        assertFails(.io, "/nowhere") {
            _ = try scorer.hardness(image: .path("/nowhere.png"), chosen: "a", rejected: "b")
        }
    }

    // MARK: Stopping

    func testACallThatWasStopped() throws {
        for variant in ["legacy", "exported"] {
            let scorer = try scorer(variant)
            let run = try scorer.makeRunOptions()
            XCTAssertEqual(try scorer.score(image: image, sentences: ["a"], run: run).count, 1)
            run.cancel()
            assertCancelled { _ = try scorer.score(image: self.image, sentences: ["a"], run: run) }
            assertCancelled { _ = try scorer.hardness(image: self.image, chosen: "a", rejected: "b", run: run) }
            assertCancelled { _ = try scorer.embedTexts(["a"], run: run) }
            assertCancelled { _ = try scorer.embedImages([self.image], run: run) }
            let prepared = try scorer.encoder.prepare(imagePath: Fixtures.path("clip/wide.jpg"))
            assertCancelled { _ = try scorer.encoder.embed(images: [prepared], run: run) }
            XCTAssertEqual(try scorer.score(image: image, sentences: ["a"]).count, 1)
        }
    }

    /// Another thread stops the call between its images.
    func testAnotherThreadStopsACall() throws {
        let scorer = try scorer()
        let run = try scorer.makeRunOptions()
        let images = [Scorer.Image](repeating: image, count: 100_000)
        let stopper = Thread {
            usleep(100_000)
            run.cancel()
        }
        stopper.start()
        let start = Date()
        assertCancelled { _ = try scorer.embedImages(images, run: run) }
        // All images would take minutes.
        XCTAssertLessThan(Date().timeIntervalSince(start), 20)
    }

    private func assertCancelled(line: UInt = #line, _ body: () throws -> Void) {
        assertFails(.cancelled, "stopped", line: line, body)
    }
}
