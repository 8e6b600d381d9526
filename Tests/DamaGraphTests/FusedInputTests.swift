import CDamaCuda
import CudaEmulation
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaGraph
@testable import DamaModels

/// The graph that makes a decoder's inputs on a device: with fused kernels against plain operators, and both against the
/// definition of what a token sees.
final class FusedInputTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    override func tearDown() {
        cdama_operators_use_device_kernels(0)
        cdama_cuda_set_launcher(nil)
    }

    private func graphs(_ kernels: GraphKernels, window: Int?) throws -> LlamaGraph {
        var config: [(key: String, value: JSON)] = [
            ("model_type", "mistral"), ("vocab_size", 9), ("hidden_size", 12), ("intermediate_size", 8),
            ("num_hidden_layers", 1), ("num_attention_heads", 2), ("num_key_value_heads", 2),
            ("max_position_embeddings", 64),
        ]
        if let window { config.append(("sliding_window", .int(Int64(window)))) }
        let reader = try ConfigReader(.object(JSONObject(config)), place: "config.json")
        return LlamaGraph(try MistralArchitecture.configuration(reader), kernels: kernels)
    }

    func testEmbeddingsAndMasks() throws {
        let length = 10
        // A prefix of 4, responses of 3 and 2, and padding; then a prefix and one response.
        let segments = [0, 0, 0, 0, 1, 1, 1, 2, 2, -1] + [0, 0, 1, 1, 1, 1, 1, 1, 1, 1]
        let positions = [0, 1, 2, 3, 4, 5, 6, 4, 5, 0] + Array(0..<10)
        let tokens = [3, -1, -1, 5, 6, 7, 8, 0, 1, 0] + [2, 4, 5, -1, 7, 8, 1, 2, 3, 4]
        let rows = [0, 0, 1, 0, 0, 0, 0, 0, 0, 0] + [0, 0, 0, 2, 0, 0, 0, 0, 0, 0]
        var generator = RandomGenerator(seed: 8)
        let table = Tensor(random: &generator, [9, 12])
        let features = Tensor(random: &generator, [3, 12])
        let feeds = [
            "tokens": Tensor(integers: tokens, [2, length]), "feature_rows": Tensor(integers: rows, [2, length]),
            "segments": Tensor(integers: segments, [2, length]), "positions": Tensor(integers: positions, [2, length]),
            "places": Tensor(integers: Array(0..<length), [length]), "features": features,
            LlamaGraph.embeddings: table,
        ]
        var embeddings: [Double] = []
        for (token, row) in zip(tokens, rows) {
            let source = token < 0 ? features : table
            let start = (token < 0 ? row : token) * 12
            embeddings += source.values[start..<start + 12].map { Double(Float($0)) }
        }
        for window in [nil, 3] {
            var mask: [Double] = []
            for item in 0..<2 {
                for query in 0..<length {
                    for key in 0..<length {
                        let (own, other) = (item * length + query, item * length + key)
                        let isNear = window.map { positions[own] - positions[other] < $0 } ?? true
                        let isShared = segments[other] == 0 || segments[other] == segments[own]
                        mask.append(key <= query && isShared && isNear ? 0 : -4096)
                    }
                }
            }
            for (fused, emulated) in [(false, false), (true, false), (true, true)]
            where !emulated || cuda_emulation_is_available() != 0 {
                let graphs = try graphs(GraphKernels(fused: fused), window: window)
                cdama_cuda_set_launcher(emulated ? cuda_emulation_launch : nil)
                cdama_operators_use_device_kernels(emulated ? 1 : 0)
                let what = "window \(window ?? 0), fused: \(fused), emulated: \(emulated)"
                let found = try graphs.inputs(tableIsInput: false, blocked: -4096).run(feeds)
                XCTAssertEqual(found[LlamaGraph.Port.embeddings]?.values, embeddings, what)
                XCTAssertEqual(graphs.masks.count, 1)
                for (name, _) in graphs.masks {
                    XCTAssertEqual(found[name]?.shape, [2, 1, length, length])
                    XCTAssertEqual(found[name]?.values, mask, what)
                }
                XCTAssertEqual(
                    try graphs.embeddings().run(feeds)[LlamaGraph.Port.embeddings]?.values, embeddings, what)
            }
        }
    }

    /// The scoring graph that makes embeddings and masks itself against the two graphs, one after the other: the same
    /// kernels on the same numbers.
    func testAScoringGraphMakesThemItself() throws {
        typealias Port = LlamaGraph.Port
        let length = 10
        for window in [nil, 3] {
            for fused in [false, true] {
                let graphs = try graphs(GraphKernels(fused: fused), window: window)
                let whole = try graphs.scoring(blocked: -4096)
                var generator = RandomGenerator(seed: 9)
                var feeds = [
                    "tokens": Tensor(integers: [3, -1, -1, 5, 6, 7, 8, 0, 1, 0], [1, length]),
                    "feature_rows": Tensor(integers: [0, 0, 1, 0, 0, 0, 0, 0, 0, 0], [1, length]),
                    "segments": Tensor(integers: [0, 0, 0, 0, 1, 1, 1, 2, 2, -1], [1, length]),
                    "places": Tensor(integers: Array(0..<length), [length]),
                    "features": Tensor(random: &generator, [2, 12]),
                    Port.positions: Tensor(integers: [0, 1, 2, 3, 4, 5, 6, 4, 5, 0], [1, length]),
                    Port.cosine: Tensor(random: &generator, [length, 3]),
                    Port.sine: Tensor(random: &generator, [length, 3]),
                    Port.rows: Tensor(integers: [3, 4, 5, 3, 7], [5]),
                    Port.targets: Tensor(integers: [6, 7, 8, 0, 1], [5]),
                ]
                for weight in whole.weights {
                    feeds[whole.name(of: weight)] = Tensor(random: &generator, try XCTUnwrap(weight.shape.fixed))
                }
                let made = try graphs.inputs(tableIsInput: false, blocked: -4096).run(feeds)
                let parts = try graphs.scoring().run(feeds.merging(made) { $1 })
                let found = try XCTUnwrap(whole.run(feeds)[Port.logProbabilities])
                XCTAssertEqual(found.values.count, 5)
                XCTAssertTrue(found.values.allSatisfy { $0 < 0 })
                XCTAssertEqual(found.values, parts[Port.logProbabilities]?.values, "\(window ?? 0), fused: \(fused)")
            }
        }
    }
}
