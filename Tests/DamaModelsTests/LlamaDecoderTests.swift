import DamaModels
import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

/// The decoder against transformers (Fixtures/make_llama.py).
final class LlamaDecoderTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    /// Both sides compute in fp32; log-probabilities of random models are of the order of 10.
    private let tolerance: Float = 1e-4

    static let cases = ["mha", "gqa_tied", "bias_llama3", "heads_of_12", "linear_bf16"]

    static func decoder(_ name: String) throws -> LlamaDecoder {
        let folder = Fixtures.path("llama/\(name)")
        let runtime = try OnnxRuntime.load()
        return try LlamaDecoder(
            LlamaConfiguration(ConfigReader(path: "\(folder)/config.json")),
            ModelWeights(WeightStore(directory: folder), runtime), runtime)
    }

    private func ids(_ json: JSON?) throws -> [Int32] {
        try XCTUnwrap(json?.array).map { Int32(try XCTUnwrap($0.int)) }
    }

    private func floats(_ json: JSON?) throws -> [Float] {
        try XCTUnwrap(json?.array).map { Float(try XCTUnwrap($0.double)) }
    }

    private func pairs(_ name: String, _ field: String = "pairs") throws -> [JSON] {
        try XCTUnwrap(Fixtures.json("llama/\(name)/expected.json")[field]?.array)
    }

    private func assertEqual(_ a: [Float], _ b: [Float], _ what: String, line: UInt = #line) {
        XCTAssertEqual(a.count, b.count, what, line: line)
        for (x, y) in zip(a, b) { XCTAssertEqual(x, y, accuracy: tolerance, what, line: line) }
    }

    func testPackedPairsInOneBatchEqualSeparateSequencesOfTransformers() throws {
        for name in Self.cases {
            let decoder = try Self.decoder(name)
            // Short pairs, and one that spans several attention blocks.
            let pairs = try pairs(name) + pairs(name, "long")
            let rows = try pairs.map {
                DecoderRow(
                    try TokenSequence(prefix: ids($0["prompt"]), responses: [ids($0["chosen"]), ids($0["rejected"])]))
            }
            for (found, pair) in zip(try decoder.logProbabilities(rows), pairs) {
                assertEqual(found, try floats(pair["chosen_logps"]) + floats(pair["rejected_logps"]), name)
            }
        }
    }

    /// As on another device: weights are copied when the session is created, and the results are the same.
    func testCopiedWeightsGiveTheSameLogits() throws {
        for name in Self.cases {
            let decoder = try Self.decoder(name)
            let pair = try pairs(name)[0]
            let row = DecoderRow(
                try TokenSequence(prefix: ids(pair["prompt"]), responses: [ids(pair["chosen"])]))
            let graph = try LlamaGraph(decoder.configuration).scoring(.logits)
            var options = SessionOptions()
            options.copiesInitializers = true
            options.initializers = try decoder.weights.initializers(of: graph, fileName: decoder.names.fileName)
            let session = try Session(decoder.runtime, model: graph.onnx(), name: name, options: options)
            let found = try session.run(decoder.scoringInputs([row]), outputs: [LlamaGraph.Port.logits])[0]
            assertEqual(try found.array(), try decoder.logits([row]).array(), name)
        }
    }

    func testLogitsEqualTransformers() throws {
        for name in Self.cases {
            let pair = try pairs(name)[0]
            let sequence = try TokenSequence(prefix: ids(pair["prompt"]), responses: [ids(pair["chosen"])])
            let logits = try Self.decoder(name).logits([.init(sequence)])
            XCTAssertEqual(logits.shape, [sequence.targets.count, 300])
            assertEqual(Array(try logits.array(of: Float.self)[..<300]), try floats(pair["first_logits"]), name)
        }
    }

    func testTokensOutsideTheVocabularyAreErrors() throws {
        let decoder = try Self.decoder("mha")
        for (prefix, response) in [([Int32(300)], [Int32(1)]), ([1], [300]), ([-7], [1])] {
            assertFails(.invalidArgument, "vocabulary of 300") {
                _ = try decoder.logProbabilities([.init(TokenSequence(prefix: prefix, responses: [response]))])
            }
        }
        assertFails(.invalidArgument, "batch is empty") { _ = try decoder.logProbabilities([]) }
    }

    func testAWeightOfAnotherShapeIsNamed() throws {
        let folder = Fixtures.path("llama/mha")
        let runtime = try OnnxRuntime.load()
        var configuration = try LlamaConfiguration(ConfigReader(path: "\(folder)/config.json"))
        configuration.intermediateSize = 57
        assertFails(.model, "mlp.gate_proj.weight\" has the shape [56, 32], expected [57, 32]") {
            _ = try LlamaDecoder(configuration, ModelWeights(WeightStore(directory: folder), runtime), runtime)
        }
        configuration.intermediateSize = 56
        configuration.layers = 3
        assertFails(.model, "has no tensor \"model.layers.2.") {
            _ = try LlamaDecoder(configuration, ModelWeights(WeightStore(directory: folder), runtime), runtime)
        }
    }
}
