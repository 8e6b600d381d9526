import DamaGraph
import DamaImage
import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

/// Models in float16 on the CPU against float32. What float32 computes is compared with transformers elsewhere.
final class PrecisionTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    // MARK: Names

    func testNamesAndDevices() throws {
        XCTAssertNil(try Precision.named("auto"))
        for precision in Precision.allCases { XCTAssertEqual(try Precision.named(precision.rawValue), precision) }
        assertFails(
            .invalidArgument, "unknown precision 'half'; expected 'auto', 'float32', 'bfloat16' or 'float16'"
        ) { _ = try Precision.named("half") }
        XCTAssertEqual(try Precision.resolve(nil, on: .cpu), .float32)
        XCTAssertEqual(try Precision.resolve(.float16, on: .cpu), .float16)
        XCTAssertEqual(try Precision.resolve(nil, on: .cuda(0)), .bfloat16)
        XCTAssertEqual(try Precision.resolve(.float32, on: .cuda(1)), .float32)
        assertFails(.unsupported, "bfloat16 needs a CUDA device") { _ = try Precision.resolve(.bfloat16, on: .cpu) }
        var options = PolicyOptions()
        options.precision = .bfloat16
        assertFails(.unsupported, "use float32 or float16") {
            _ = try Policy(directory: Fixtures.path("llava/default"), options: options)
        }
        var scorer = Scorer.Options()
        scorer.precision = .bfloat16
        for model in ["clip/legacy", "siglip"] {
            assertFails(.unsupported, "use float32 or float16") {
                _ = try Scorer(directory: Fixtures.path(model), options: scorer)
            }
        }
    }

    func testONNXFilesHaveTheirOwnTypes() throws {
        for precision in Precision.allCases {
            var options = PolicyOptions()
            options.precision = precision
            for model in ["onnx/llava", "onnx/llama"] {
                assertFails(.unsupported, "holds ONNX files, which have their own types; leave the precision at 'auto'")
                {
                    _ = try Policy(directory: Fixtures.path(model), options: options)
                }
            }
        }
        XCTAssertEqual(try Policy(directory: Fixtures.path("onnx/llama")).precision, .float32)
        var options = Scorer.Options()
        options.precision = .float16
        assertFails(.unsupported, "leave the precision at 'auto'") {
            _ = try Scorer(directory: Fixtures.path("clip/exported"), options: options)
        }
    }

    // MARK: Identity

    func testIdentities() throws {
        func policy(_ precision: Precision?) throws -> Policy {
            var options = PolicyOptions()
            options.precision = precision
            return try Policy(directory: Fixtures.path("llava/default"), options: options)
        }
        let (auto, single, half) = (try policy(nil), try policy(.float32), try policy(.float16))
        XCTAssertEqual(try auto.identity(), try single.identity())
        XCTAssertNil(try single.identity()["precision"])
        XCTAssertEqual(try half.identity()["precision"], "float16")
        XCTAssertEqual([auto, single, half].map(\.precision), [.float32, .float32, .float16])
        XCTAssertEqual(try half.modelName(), "\(try single.modelName()) in float16")
        for model in ["clip/legacy", "siglip"] {
            func fingerprint(_ precision: Precision?) throws -> String {
                var options = Scorer.Options()
                options.precision = precision
                return try DualEncoder(directory: Fixtures.path(model), options: options).fingerprint
            }
            XCTAssertEqual(try fingerprint(nil), try fingerprint(.float32))
            XCTAssertNotEqual(try fingerprint(.float16), try fingerprint(.float32))
        }
        // Equal files in different precisions share nothing.
        let decoders = try [single, half].map { try XCTUnwrap($0.decoder as? LlamaDecoder) }
        XCTAssertFalse(decoders[0].weights === decoders[1].weights)
        XCTAssertFalse(try decoders[0].session(.logits) === decoders[1].session(.logits))
    }

    // MARK: Decoder

    private func decoder(_ name: String, _ precision: Precision) throws -> LlamaDecoder {
        let folder = Fixtures.path("llama/\(name)")
        let runtime = try OnnxRuntime.load()
        return try LlamaDecoder(
            LlamaConfiguration(ConfigReader(path: "\(folder)/config.json")),
            ModelWeights(WeightStore(directory: folder), runtime, precision: precision), runtime)
    }

    /// Logits of up to 5 with a relative error of 3e-3 (forty roundings of 2⁻¹¹ that add up like a random walk).
    private let logitTolerance: Float = 2e-2

    func testLogProbabilities() throws {
        for name in LlamaDecoderTests.cases {
            let (single, half) = (try decoder(name, .float32), try decoder(name, .float16))
            // Two responses behind one prefix, and a shorter row that is padded.
            let rows = [
                DecoderRow(try TokenSequence(prefix: [1, 5, 9, 4, 7], responses: [[3, 8, 2], [6, 6, 11, 2]])),
                DecoderRow(try TokenSequence(prefix: [1, 2], responses: [[4]])),
            ]
            let (expected, found) = (try single.logProbabilities(rows), try half.logProbabilities(rows))
            XCTAssertEqual(found.map(\.count), expected.map(\.count))
            for (a, b) in zip(found.joined(), expected.joined()) {
                XCTAssertEqual(a, b, accuracy: logitTolerance, name)
                XCTAssertNotEqual(a, b, "\(name) was not computed in float16")
            }
        }
    }

    /// Every greedy token is the best of the float32 model too, or as good within the tolerance.
    func testGreedyTextWithACacheInFloat16() throws {
        for name in LlamaDecoderTests.cases {
            let (single, half) = (try decoder(name, .float32), try decoder(name, .float16))
            var options = GenerationOptions()
            options.maximumTokens = 16
            options.endTokens = []
            let prompts: [[Int32]] = [[1, 5, 9, 4, 7], [1, 3], [2, 8, 8, 1, 4, 6, 3]]
            for (prompt, text) in zip(prompts, try half.generate(prompts.map { .init($0) }, options)) {
                XCTAssertEqual(text.tokens.count, 16)
                let row = DecoderRow(try TokenSequence(prefix: prompt, responses: [text.tokens]))
                let width = single.vocabularySize
                let logits = try single.logits([row]).array(of: Float.self)
                for (position, token) in text.tokens.enumerated() {
                    let own = logits[position * width..<(position + 1) * width]
                    let best = try XCTUnwrap(own.max())
                    XCTAssertGreaterThan(
                        own[own.startIndex + Int(token)], best - 2 * logitTolerance, "\(name), token \(position)")
                }
            }
        }
    }

    /// Beams exchange parts of their cache.
    func testBeamsInFloat16() throws {
        let half = try decoder("mha", .float16)
        var options = GenerationOptions()
        options.maximumTokens = 8
        options.endTokens = []
        options.beams = 4
        let prompts: [[Int32]] = [[1, 5, 9, 4, 7], [1, 3]]
        let found = try half.generate(prompts.map { .init($0) }, options)
        let expected = try decoder("mha", .float32).generate(prompts.map { .init($0) }, options)
        func score(_ prompt: [Int32], _ tokens: [Int32]) throws -> Float {
            try decoder("mha", .float32).logProbabilities([
                DecoderRow(try TokenSequence(prefix: prompt, responses: [tokens]))
            ])[0].reduce(0, +)
        }
        for (prompt, texts) in zip(prompts, zip(found, expected)) {
            // The text need not be the same, but one as likely: eight tokens, each within the tolerance, twice.
            XCTAssertEqual(
                try score(prompt, texts.0.tokens), try score(prompt, texts.1.tokens), accuracy: 16 * logitTolerance)
        }
    }

    // MARK: Images

    func testVisionFeatures() throws {
        for directory in ["llava/default", "llava/full_gqa_tied"] {
            func features(_ precision: Precision) throws -> [Float] {
                var options = PolicyOptions()
                options.precision = precision
                let policy = try Policy(directory: Fixtures.path(directory), options: options)
                let vision = try XCTUnwrap(policy.vision)
                let image = try vision.prepare(ImageDecoder.decode(path: Fixtures.path("llava/image.png")))
                return try vision.features([image], options: nil)[0].floats()
            }
            let (expected, found) = (try features(.float32), try features(.float16))
            let scale = expected.map(\.magnitude).max() ?? 0
            for (a, b) in zip(found, expected) { XCTAssertEqual(a, b, accuracy: 1e-2 * scale) }
        }
    }

    func testScores() throws {
        for (model, image) in [("clip/legacy", "clip/wide.jpg"), ("siglip", "clip/wide.jpg")] {
            func scores(_ precision: Precision) throws -> (scores: [Float], scale: Float) {
                var options = Scorer.Options()
                options.precision = precision
                let scorer = try Scorer(directory: Fixtures.path(model), options: options)
                let sentences = ["a cat", "two dogs on a sofa", "a"]
                return (try scorer.score(image: .path(Fixtures.path(image)), sentences: sentences), scorer.logitScale)
            }
            let (expected, found) = (try scores(.float32), try scores(.float16))
            for (a, b) in zip(found.scores, expected.scores) {
                // Cosines of embeddings whose numbers are off by 3e-3 of their size.
                XCTAssertEqual(a, b, accuracy: 5e-3 * expected.scale, model)
                XCTAssertNotEqual(a, b, "\(model) was not computed in float16")
            }
        }
    }
}
