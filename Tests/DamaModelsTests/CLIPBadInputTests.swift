import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaModels

/// Directories with a broken CLIP model or none give an error of one line that names the fault and its place.
final class CLIPBadInputTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    /// A copy of a fixture to break.
    private func copy(_ variant: String) throws -> TemporaryDirectory {
        let folder = try TemporaryDirectory()
        let source = CLIPTests.directory(variant)
        for name in try FileManager.default.contentsOfDirectory(atPath: source) {
            try FileManager.default.copyItem(atPath: "\(source)/\(name)", toPath: "\(folder.path)/\(name)")
        }
        return folder
    }

    /// Replaces text in a file of a fixture and checks the error of opening it.
    private func assertFails(
        _ code: DamaError.Code, _ text: String, variant: String = "legacy", file name: String = "config.json",
        replacing old: String, with new: String, line: UInt = #line
    ) throws {
        let folder = try copy(variant)
        let json = String(decoding: try Files.read("\(folder.path)/\(name)"), as: UTF8.self)
        XCTAssertTrue(json.contains(old), "\(name) has no \(old)", line: line)
        try folder.write(Array(json.replacingOccurrences(of: old, with: new).utf8), to: name)
        DamaTestSupport.assertFails(code, text, line: line) { _ = try Scorer(directory: folder.path) }
    }

    func testMissingFiles() throws {
        DamaTestSupport.assertFails(.io, "is not a directory") { _ = try Scorer(directory: "/nowhere") }
        for (name, text) in [
            ("config.json", "config.json"), ("tokenizer.json", "tokenizer.json"),
            ("preprocessor_config.json", "preprocessor_config.json"), ("model.safetensors", "model.safetensors"),
        ] {
            let folder = try copy("legacy")
            try FileManager.default.removeItem(atPath: "\(folder.path)/\(name)")
            DamaTestSupport.assertFails(.io, text) { _ = try Scorer(directory: folder.path) }
        }
        let folder = try copy("sharded")
        try FileManager.default.removeItem(atPath: "\(folder.path)/model-00002-of-00002.safetensors")
        DamaTestSupport.assertFails(.io, "model-00002-of-00002.safetensors is missing") {
            _ = try Scorer(directory: folder.path)
        }
    }

    func testOtherArchitectures() throws {
        try assertFails(
            .unsupported, "model_type is \"align\"; scoring supports \"clip\" (CLIPModel), \"siglip\"",
            replacing: "\"model_type\": \"clip\"",
            with: "\"model_type\": \"align\"")
        try assertFails(
            .unsupported, "hidden_act is \"relu\"; supported are \"quick_gelu\", \"gelu\", \"gelu_pytorch_tanh\"",
            replacing: "\"quick_gelu\"", with: "\"relu\"")
    }

    func testConfigsThatDoNotFit() throws {
        try assertFails(
            .model, "hidden_size 24 is not a multiple of num_attention_heads 5",
            replacing: "\"num_attention_heads\": 3",
            with: "\"num_attention_heads\": 5")
        try assertFails(
            .unsupported, "image_size 32 is not a multiple of patch_size 7", replacing: "\"patch_size\": 8",
            with: "\"patch_size\": 7")
        try assertFails(
            .model, "layer_norm_eps is \"small\"; expected a number", replacing: "\"layer_norm_eps\": 1e-05",
            with: "\"layer_norm_eps\": \"small\"")
        try assertFails(
            .model, "makes images of 48 × 48 pixels; the vision model takes 32 × 32",
            file: "preprocessor_config.json", replacing: "\"height\": 32,\n    \"width\": 32",
            with: "\"height\": 48,\n    \"width\": 48")
    }

    func testTensorsThatAreMissingOrOfAnotherShape() throws {
        try assertFails(
            .model, "no tensor \"text_model.encoder.layers.2.layer_norm1.weight\"",
            replacing: "\"num_hidden_layers\": 2", with: "\"num_hidden_layers\": 3")
        try assertFails(
            .model, "\"text_projection.weight\" has the shape [16, 24], expected [20, 24]",
            replacing: "\"projection_dim\": 16", with: "\"projection_dim\": 20")
        try assertFails(
            .model, "\"text_model.embeddings.token_embedding.weight\" has the shape [714, 24], expected [600, 24]",
            replacing: "\"vocab_size\": 714", with: "\"vocab_size\": 600")
    }

    func testATokenizerThatKnowsMoreThanTheModel() throws {
        let folder = try copy("exported")
        let json = String(decoding: try Files.read("\(folder.path)/config.json"), as: UTF8.self)
        try folder.write(
            Array(json.replacingOccurrences(of: "\"vocab_size\": 714", with: "\"vocab_size\": 600").utf8),
            to: "config.json")
        let scorer = try Scorer(directory: folder.path)
        DamaTestSupport.assertFails(.model, "the tokenizer returned token 713, but the text model has 600 tokens") {
            _ = try scorer.embedTexts(["a"])
        }
    }

    func testOnnxFilesThatAreNotClip() throws {
        let folder = try copy("exported")
        let text = "\(folder.path)/onnx/text_model.onnx"
        let vision = "\(folder.path)/onnx/vision_model.onnx"
        let (textBytes, visionBytes) = (try Files.read(text), try Files.read(vision))
        try Files.writeAtomically(visionBytes, to: text)
        DamaTestSupport.assertFails(
            .model, "is not a valid CLIP text model: it has no input \"input_ids\"; its inputs are \"pixel_values\""
        ) {
            _ = try Scorer(directory: folder.path)
        }
        try Files.writeAtomically(textBytes, to: text)
        try Files.writeAtomically(textBytes, to: vision)
        DamaTestSupport.assertFails(.model, "is not a valid CLIP vision model") {
            _ = try Scorer(directory: folder.path)
        }
        for bytes in [Array(visionBytes.prefix(visionBytes.count / 2)), Array("nonsense".utf8), []] {
            try Files.writeAtomically(bytes, to: vision)
            DamaTestSupport.assertFails(.model, "vision_model.onnx: ONNX Runtime: ") {
                _ = try Scorer(directory: folder.path)
            }
        }
    }

    func testWeightsThatAreNotNumbers() throws {
        let folder = try copy("legacy")
        var bytes = try Files.read("\(folder.path)/model.safetensors")
        // The last tensor of the file is the visual projection.
        for index in bytes.indices.suffix(64) { bytes[index] = 0xFF }
        try folder.write(bytes, to: "model.safetensors")
        let scorer = try Scorer(directory: folder.path)
        XCTAssertEqual(try scorer.embedTexts(["a dog"]).count, 1)
        DamaTestSupport.assertFails(.model, "the embedding of image 0 has the norm") {
            _ = try scorer.embedImages([.path(Fixtures.path("clip/wide.jpg"))])
        }
    }

    func testOptionsThatCannotBe() throws {
        for scale in [0, -1, Float.nan, .infinity] {
            var options = Scorer.Options()
            options.logitScale = scale
            DamaTestSupport.assertFails(.invalidArgument, "logit scale") {
                _ = try Scorer(directory: CLIPTests.directory("exported"), options: options)
            }
        }
        var options = Scorer.Options()
        options.device = .cuda(0)
        DamaTestSupport.assertFails(.unsupported, "CPUExecutionProvider") {
            _ = try Scorer(directory: CLIPTests.directory("legacy"), options: options)
        }
    }
}
