import DamaImage
import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaModels

/// LLaVA's original layout against transformers' LLaVA with the same weights (Fixtures/make_llava_original.py).
final class LlavaOriginalTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    /// fp32 on both sides, as in ``PolicyTests``.
    private let tolerance: Float = 1e-4
    private let image = ImageSource.path(Fixtures.path("llava_original/image.png"))

    private func policy(_ change: (inout PolicyOptions) -> Void = { _ in }) throws -> Policy {
        var options = PolicyOptions()
        options.visionTower = Fixtures.path("llava_original/tower")
        change(&options)
        return try Policy(directory: Fixtures.path("llava_original/model"), options: options)
    }

    private func expected(_ mode: String) throws -> [JSON] {
        try XCTUnwrap(Fixtures.json("llava_original/expected.json").array).filter { $0["mode"]?.string == mode }
    }

    private func check(_ policy: Policy, _ mode: String, line: UInt = #line) throws {
        let expected = try expected(mode)
        XCTAssertEqual(expected.count, 2, line: line)
        for json in expected {
            let prompt = try XCTUnwrap(json["prompt"]?.string)
            let pair = PreferencePair(
                image: image, prompt: prompt, chosen: try XCTUnwrap(json["chosen"]?.string),
                rejected: try XCTUnwrap(json["rejected"]?.string))
            let found = try policy.logProbabilities([pair])[0]
            for (response, key) in [(found.chosen, "chosen_logps"), (found.rejected, "rejected_logps")] {
                let values = try XCTUnwrap(json[key]?.array).compactMap(\.double).map(Float.init)
                XCTAssertEqual(response.count, values.count, "\(mode): \(prompt)", line: line)
                for (a, b) in zip(response.tokens, values) {
                    XCTAssertEqual(a, b, accuracy: tolerance, "\(mode): \(prompt)", line: line)
                }
            }
            var options = GenerationOptions()
            options.maximumTokens = 12
            let text = try policy.generate([GenerationRequest(image: image, prompt: prompt)], options)[0]
            XCTAssertEqual(
                text.tokens.map(Int.init), try XCTUnwrap(json["continuation"]?.array).compactMap(\.int), line: line)
        }
    }

    /// config.json asks for padding to a square (`image_aspect_ratio`), and no template is there: `vicuna_v1`.
    func testValuesEqualTransformers() throws {
        let policy = try policy()
        XCTAssertEqual(policy.template.name, "vicuna_v1")
        try check(policy, "checkpoint")
        try check(self.policy { $0.imageMode = .crop }, "crop")
        try check(self.policy { $0.imageMode = .pad }, "checkpoint")
    }

    func testATowerThatIsNotThereIsNamed() {
        assertFails(.invalidArgument, #"names the vision tower "openai/clip-vit-large-patch14-336", which is not"#) {
            _ = try self.policy { $0.visionTower = nil }
        }
        assertFails(.io, #"vision_tower is "/nowhere", which is not a directory"#) {
            _ = try self.policy { $0.visionTower = "/nowhere" }
        }
        assertFails(.unsupported, #"model_type is "llava"; LLaVA's vision tower must be"#) {
            _ = try self.policy { $0.visionTower = Fixtures.path("llava/default") }
        }
    }

    /// A copy of the model with some fields of config.json changed.
    private func changed(_ fields: JSONObject, files: [String: [UInt8]] = [:]) throws -> (TemporaryDirectory, Policy) {
        let folder = try TemporaryDirectory()
        let source = Fixtures.path("llava_original/model")
        for name in try Files.names(in: source) where name != "config.json" {
            try folder.write(files[name] ?? Files.read("\(source)/\(name)"), to: name)
        }
        var members = try XCTUnwrap(Files.readJSON("\(source)/config.json").object).members
        for (key, value) in fields.members {
            members.removeAll { $0.key == key }
            members.append((key, value))
        }
        try folder.write(JSON.object(JSONObject(members)).text.utf8, to: "config.json")
        var options = PolicyOptions()
        options.visionTower = Fixtures.path("llava_original/tower")
        return (folder, try Policy(directory: folder.path, options: options))
    }

    func testTheTowerMayStandInConfig() throws {
        let tower: JSON = .string(Fixtures.path("llava_original/tower"))
        let (folder, _) = try changed(["mm_vision_tower": tower])
        try check(Policy(directory: folder.path), "checkpoint")
    }

    func testOtherVariantsAreRefusedByName() throws {
        for (fields, text) in [
            (
                ["mm_projector_type": "linear"] as JSONObject,
                #"mm_projector_type is "linear"; supported is "mlp2x_gelu""#
            ),
            (["mm_use_im_start_end": true], "mm_use_im_start_end is true"),
            (["image_aspect_ratio": "anyres"], #"image_aspect_ratio is "anyres""#),
            (["mm_patch_merge_type": "spatial_unpad"], #"mm_patch_merge_type is "spatial_unpad""#),
            (["mm_vision_select_feature": "cls"], #"mm_vision_select_feature is "cls""#),
        ] {
            assertFails(.unsupported, text) { _ = try self.changed(fields) }
        }
        assertFails(.model, "mm_hidden_size is 1024, but the vision tower's hidden_size is 24") {
            _ = try self.changed(["mm_hidden_size": 1024])
        }
    }

    func testADamagedShardIsNamed() throws {
        assertFails(.unsupported, "pytorch_model-00001-of-00002.bin: the file is not a zip archive") {
            _ = try self.changed([:], files: ["pytorch_model-00001-of-00002.bin": Array("weights".utf8)])
        }
    }
}
