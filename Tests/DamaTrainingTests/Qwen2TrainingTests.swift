import DamaModels
import DamaPreference
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaTraining

/// Training of a Qwen2, with gradients of torch (DamaModelsTests/Fixtures/make_qwen2.py).
final class Qwen2TrainingTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private func open(_ folder: String) throws -> Policy {
        var options = PolicyOptions()
        options.template = "chatml"
        return try Policy(directory: folder, options: options)
    }

    private func pairs(_ folder: String) throws -> [PreferencePair] {
        try XCTUnwrap(Files.readJSON("\(folder)/expected.json").array).map { json in
            func text(_ key: String) throws -> String { try XCTUnwrap(json[key]?.string) }
            return PreferencePair(
                prompt: try text("prompt"), chosen: try text("chosen"), rejected: try text("rejected"))
        }
    }

    func testGradientsEqualTorch() throws {
        for name in ["untied", "tied"] {
            let folder = Fixtures.path("../../DamaModelsTests/Fixtures/qwen2/\(name)")
            let policy = try TrainedPolicy(open(folder), .full)
            let pairs = try pairs(folder).map { try policy.base.prepare($0) }
            try policy.clearGradients()
            try policy.backward(
                policy.forward(pairs), chosen: pairs.map { _ in 1 }, rejected: pairs.map { _ in -1 })
            let expected = try XCTUnwrap(Files.readJSON("\(folder)/gradients.json").object).members
            XCTAssertEqual(expected.count, 4)
            for (weight, values) in expected {
                let gradient = try XCTUnwrap(policy.parameters.first { $0.name == weight }, weight).gradient.elements
                let values = try XCTUnwrap(values.array).map { try XCTUnwrap($0.double) }
                XCTAssertEqual(gradient.count, values.count, weight)
                // fp32 on both sides: a few hundred roundings relative to the largest element.
                let scale = values.map(abs).max() ?? 0
                XCTAssertGreaterThan(scale, 0.1, weight)
                for (a, b) in zip(gradient, values) {
                    XCTAssertEqual(Double(a), b, accuracy: 2e-5 * scale, "\(name), \(weight)")
                }
            }
        }
    }
    func testATrainedBiasIsExported() throws {
        let folder = Fixtures.path("../../DamaModelsTests/Fixtures/qwen2/tied")
        let policy = try TrainedPolicy(open(folder), .patterns(["*.k_proj.bias"]))
        XCTAssertEqual(policy.parameters.count, 2)
        for parameter in policy.parameters { for index in 0..<6 { parameter.value.elements[index] += 2 } }
        let pairs = try pairs(folder)
        let expected = try policy.forward(pairs.map { try policy.base.prepare($0) }).logProbabilities
        let target = try TemporaryDirectory()
        try policy.export(to: "\(target.path)/model")
        let found = try open("\(target.path)/model").logProbabilities(pairs)
        let before = try policy.base.logProbabilities(pairs)
        for index in pairs.indices {
            // fp32 on both sides, in batches of another shape.
            XCTAssertEqual(found[index].chosen.sum, expected[index].chosen.sum, accuracy: 1e-4)
            XCTAssertGreaterThan(abs(before[index].chosen.sum - expected[index].chosen.sum), 1e-3)
        }
    }
}
