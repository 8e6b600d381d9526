import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaGraph
@testable import DamaModels

/// LLaVA's vision tower and projector against torch's automatic differentiation.
final class VisionGradientTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private func graph(_ kernels: GraphKernels) throws -> Graph {
        let config = JSON.object([
            "vision_config": .object([
                "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 4,
                "image_size": 16, "patch_size": 4,
            ]),
            "text_config": .object([
                "vocab_size": 32, "hidden_size": 20, "intermediate_size": 16, "num_hidden_layers": 1,
                "num_attention_heads": 2,
            ]),
            "image_token_index": 5,
        ])
        return try LlavaVision.graph(
            LlavaConfiguration(ConfigReader(config, place: "config.json")),
            LlavaVision.Names(tower: "vision_tower.", projector: "multi_modal_projector."), kernels)
    }

    func testGradientsAreTorchs() throws { try compare(.none) }

    func testGradientsWithFusedKernelsAreTorchs() throws { try compare(GraphKernels(fused: true)) }

    private func compare(_ kernels: GraphKernels) throws {
        let file = try SafetensorsFile(path: Fixtures.path("vision.safetensors"))
        func tensor(_ name: String) throws -> Tensor {
            let view = try XCTUnwrap(file[name], name)
            return Tensor(try view.floats().map(Double.init), view.shape)
        }
        var feeds = ["pixel_values": try tensor("pixels"), "image_features.seed": try tensor("seed")]
        var expected: [String: Tensor] = [:]
        for name in file.names where name.hasPrefix("weight.") { feeds[String(name.dropFirst(7))] = try tensor(name) }
        for name in file.names where name.hasPrefix("gradient.") {
            expected[String(name.dropFirst(9))] = try tensor(name)
        }
        let graph = try graph(kernels)
        XCTAssertEqual(graph.weights.count, expected.count)
        let runtime = try OnnxRuntime.load()
        let largest = expected.values.flatMap(\.values).map(abs).max() ?? 0
        let projector = expected.keys.filter { $0.hasPrefix("multi_modal_projector") }
        let layers = ["encoder.layers.0", "encoder.layers.1"]
        for (trainable, scopes) in [(expected.keys.sorted(), []), (expected.keys.sorted(), layers), (projector, [])] {
            let result = try graph.differentiate(
                outputs: ["image_features"], trainable: trainable, recompute: scopes)
            for threads in [1, 2, 4] {
                var options = SessionOptions()
                options.threads = threads
                options.registersKernels = kernels.fused
                let forward = try Session(
                    runtime, model: result.forward.onnx(weights: .inputs), name: "forward", options: options)
                let backward = try Session(
                    runtime, model: result.backward.onnx(weights: .inputs), name: "backward", options: options)
                for _ in 0..<20 {
                    let kept = try result.forward.run(forward, feeds)
                    // The roundings of two consecutive layers.
                    XCTAssertLessThan(
                        try XCTUnwrap(kept["image_features"]).distance(to: try tensor("features")), 2e-6)
                    let outputs = try result.backward.run(backward, feeds.merging(kept) { $1 })
                    for (name, gradient) in try result.collect(outputs, feeds) {
                        let wanted = try XCTUnwrap(expected[name])
                        if name.hasSuffix("k_proj.bias") {
                            // The softmax cancels it: its gradient is zero, and only rounding errors are found.
                            XCTAssertLessThan(gradient.values.map(abs).max() ?? 0, 1e-5 * largest, name)
                        } else {
                            XCTAssertLessThan(gradient.distance(to: wanted), 1e-5, name)
                        }
                    }
                }
            }
        }
        // With the tower frozen, only the values that the projector takes are kept.
        let result = try graph.differentiate(outputs: ["image_features"], trainable: projector)
        XCTAssertFalse(result.backward.weights.contains { graph.name(of: $0).hasPrefix("vision_tower") })
        XCTAssertLessThanOrEqual(result.activations.count, 4)
    }
}
