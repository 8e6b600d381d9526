import DamaImage
import DamaRuntime
import DamaSupport
import DamaTestSupport
import Synchronization
import XCTest

@testable import DamaModels

/// Lists of pairs and prompts: chunks, images that are used more than once, and which error comes first.
final class PolicyBatchTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    /// A vision part that counts what it is asked for.
    private final class CountingVision: ImageFeatureEncoder {
        let base: any ImageFeatureEncoder
        let prepared = Atomic(0)
        let runs = Mutex<[Int]>([])

        init(_ base: any ImageFeatureEncoder) { self.base = base }

        func prepare(_ image: RGBImage) throws(DamaError) -> PreparedImage {
            prepared.add(1, ordering: .relaxed)
            return try base.prepare(image)
        }
        func expansion(of image: PreparedImage) throws(DamaError) -> [Int32] { try base.expansion(of: image) }
        var tokenCounts: ClosedRange<Int> { base.tokenCounts }
        var identity: JSON { base.identity }
        var processing: JSON { base.processing }
        func features(_ images: [PreparedImage], options: RunOptions?) throws(DamaError) -> [FeatureRows] {
            runs.withLock { $0.append(images.count) }
            return try base.features(images, options: options)
        }
    }

    private static let files = [Fixtures.path("llava/image.png"), Fixtures.path("two_images/second.png")]

    private func policy(tokenBudget: Int) throws -> (policy: Policy, vision: CountingVision) {
        var options = PolicyOptions()
        options.tokenBudget = tokenBudget
        let directory = Fixtures.path("llava/default")
        let base = try Policy(directory: directory, options: options)
        let vision = CountingVision(try XCTUnwrap(base.vision))
        return (
            Policy(
                directory: directory, options: options, tokenizer: base.tokenizer, format: base.text.format,
                parts: ModelParts(decoder: base.decoder, vision: vision), image: base.text.image), vision
        )
    }

    /// Pairs of different lengths. The first image is used at both ends of the list, the second one in the middle.
    private func pairs(_ count: Int) throws -> [PreferencePair] {
        let second = ImageSource.bytes(try Files.read(Self.files[1]))
        return (0..<count).map { index in
            PreferencePair(
                image: (count / 3..<count / 2).contains(index) ? second : .path(Self.files[0]),
                prompt: String(repeating: "what ", count: 1 + index % 7) + "is \(index)?",
                chosen: String(repeating: "a red circle ", count: 1 + index % 3), rejected: "a cat \(index)")
        }
    }

    /// Every pair's values are those of the pair by itself, in batches of every size and in many chunks.
    func testALongListEqualsItsPairs() throws {
        let pairs = try pairs(75)
        let (single, _) = try policy(tokenBudget: 1)
        let expected = try pairs.map { try single.logProbabilities([$0])[0] }
        XCTAssertGreaterThan(Set(expected.map(\.rejected.sum)).count, 70, "the pairs differ")
        for budget in [60, 100_000] {
            let (policy, vision) = try policy(tokenBudget: budget)
            let prepared = try policy.prepare(pairs)
            let total = prepared.reduce(0) { $0 + $1.tokenCount }
            if budget == 60 { XCTAssertGreaterThan(total, 10 * 4 * budget, "there are more than ten chunks") }
            vision.prepared.store(0, ordering: .relaxed)
            let lists = [
                try policy.logProbabilities(pairs), try policy.logProbabilities(prepared: prepared),
            ]
            for found in lists {
                XCTAssertEqual(found.count, pairs.count)
                for (a, b) in zip(found, expected) {
                    XCTAssertEqual(a.chosen.count, b.chosen.count)
                    for (x, y) in zip(a.chosen.tokens + a.rejected.tokens, b.chosen.tokens + b.rejected.tokens) {
                        // The same sums in another order.
                        XCTAssertEqual(x, y, accuracy: 1e-5)
                    }
                }
            }
            // Two images, each decoded once, and encoded once for each of the two calls.
            XCTAssertEqual(vision.prepared.load(ordering: .relaxed), 2)
            XCTAssertEqual(vision.runs.withLock { $0.reduce(0, +) }, 4)
        }
    }

    func testTheFirstWrongPairIsNamedByItsPlaceInTheList() throws {
        let (policy, _) = try policy(tokenBudget: 60)
        var pairs = try pairs(75)
        for index in [69, 66, 72] { pairs[index].chosen = "" }
        for _ in 0..<3 {
            assertFails(.invalidArgument, "pair 66: a response is empty") { _ = try policy.logProbabilities(pairs) }
            assertFails(.invalidArgument, "pair 66: a response is empty") { _ = try policy.prepare(pairs) }
        }
        pairs[40].images = [.path("/nonexistent.png")]
        assertFails(.io, "pair 40: ") { _ = try policy.logProbabilities(pairs) }
        let run = try policy.makeRunOptions()
        run.cancel()
        assertFails(.cancelled, "stopped") { _ = try policy.logProbabilities(pairs, run: run) }
    }

    func testThePromptsImagesAreEncodedTogether() throws {
        let (policy, vision) = try policy(tokenBudget: 8192)
        var options = GenerationOptions()
        options.maximumTokens = 4
        options.endTokens = []
        let requests = [0, 1, 0, 1, 1].enumerated().map { index, file in
            GenerationRequest(image: .path(Self.files[file]), prompt: "what is \(index)?")
        }
        let found = try policy.generate(requests, options)
        XCTAssertEqual(vision.prepared.load(ordering: .relaxed), 2)
        XCTAssertEqual(vision.runs.withLock { $0 }, [2])
        for (request, found) in zip(requests, found) {
            XCTAssertEqual(try policy.generate([request], options)[0].tokens, found.tokens)
        }
    }

    func testUsesOfImagesAreCounted() {
        let keys = ["a", "b", "c"].map { ImageKey(.path($0)) }
        let images = [[keys[0]], [keys[1], keys[0]], [], [keys[1], keys[1]], [keys[2], keys[0]]]
        var uses = ImageUses(images)
        XCTAssertEqual(uses.finish(Array(images[..<2])), [])
        XCTAssertEqual(uses.finish([images[2], images[3]]), [keys[1]])
        XCTAssertEqual(uses.finish([images[4]]), [keys[2], keys[0]])
        XCTAssertEqual(uses.finish(images), [])
    }
}
