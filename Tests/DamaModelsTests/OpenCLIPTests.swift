import DamaImage
import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaModels

/// OpenCLIP's layout of the hub, against open_clip (Fixtures/make_openclip.py).
final class OpenCLIPTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static func directory(_ name: String) -> String { Fixtures.path("openclip/\(name)") }

    private func assertClose(_ found: [[Float]], _ json: JSON?, _ tolerance: Double, _ what: String) throws {
        let expected = try XCTUnwrap(json?.array).map { $0.array?.compactMap(\.double) ?? [] }
        XCTAssertEqual(found.map(\.count), expected.map(\.count), what)
        for (x, y) in zip(found.joined(), expected.joined()) {
            XCTAssertEqual(Double(x), y, accuracy: tolerance, what)
        }
    }

    func testScoresEqualOpenCLIP() throws {
        for name in ["plain", "custom"] {
            let expected = try Fixtures.json("openclip/\(name)/expected.json")
            let sentences = try XCTUnwrap(expected["sentences"]?.array).compactMap(\.string)
            let images = try XCTUnwrap(expected["images"]?.array).compactMap(\.string).map {
                ImageSource.path(Fixtures.path("clip/\($0)"))
            }
            let scorer = try Scorer(directory: Self.directory(name))
            XCTAssertEqual(
                Double(scorer.logitScale), try XCTUnwrap(expected["logit_scale"]?.double), accuracy: 1e-4)
            try assertClose(scorer.embedTexts(sentences), expected["text_embeds"], 2e-6, "\(name), texts")
            // The same pixels; open_clip divides by 255 and by the deviation in another order, in fp32.
            try assertClose(scorer.embedImages(images), expected["image_embeds"], 4e-6, "\(name), images")
            // Times a scale of 50.
            try assertClose(
                images.map { try scorer.score(image: $0, sentences: sentences) }, expected["logits"], 2e-4, name)
        }
    }

    /// The layout of transformers takes precedence in a repository with both.
    func testARepositoryWithBothLayouts() throws {
        let folder = try copy("plain")
        let clip = Fixtures.path("clip/legacy")
        for name in ["config.json", "model.safetensors", "preprocessor_config.json"] {
            try FileManager.default.copyItem(atPath: "\(clip)/\(name)", toPath: "\(folder.path)/\(name)")
        }
        XCTAssertEqual(
            try Scorer(directory: folder.path).embedTexts(["A dog."]),
            try Scorer(directory: clip).embedTexts(["A dog."]))
        // Without its weights it does not count.
        try FileManager.default.removeItem(atPath: "\(folder.path)/model.safetensors")
        XCTAssertEqual(
            try Scorer(directory: folder.path).embedTexts(["A dog."]),
            try Scorer(directory: Self.directory("plain")).embedTexts(["A dog."]))
    }

    // MARK: Refusals

    private func copy(_ name: String) throws -> TemporaryDirectory {
        let folder = try TemporaryDirectory()
        for file in try FileManager.default.contentsOfDirectory(atPath: Self.directory(name)) {
            try FileManager.default.copyItem(
                atPath: "\(Self.directory(name))/\(file)", toPath: "\(folder.path)/\(file)")
        }
        return folder
    }

    func testWhatIsNotSupportedIsNamed() throws {
        let cases: [(part: String, fields: String, code: DamaError.Code, message: String)] = [
            (
                "vision_cfg", #""timm_model_name": "vit_base_patch16_siglip_224""#, .unsupported,
                "vision_cfg: timm_model_name is \"vit_base_patch16_siglip_224\"; supported are OpenCLIP's own"
            ),
            (
                "text_cfg", #""hf_model_name": "roberta-base""#, .unsupported,
                "text_cfg: hf_model_name is \"roberta-base\""
            ),
            ("vision_cfg", #""layers": [3, 4, 6, 3]"#, .model, "layers is [3,4,6,3]; expected an integer"),
            ("vision_cfg", #""ls_init_value": 1e-5"#, .unsupported, "vision_cfg: ls_init_value is 1e-05, which is not"),
            ("vision_cfg", #""pool_type": "avg""#, .unsupported, "pool_type is \"avg\"; supported is \"tok\""),
            ("vision_cfg", #""attentional_pool": true"#, .unsupported, "attentional_pool is true, which is not"),
            ("vision_cfg", #""no_ln_pre": true"#, .unsupported, "no_ln_pre is true"),
            ("vision_cfg", #""qk_norm": true"#, .unsupported, "qk_norm is true"),
            ("vision_cfg", #""norm_kwargs": {"eps": 1e-6}"#, .unsupported, "norm_kwargs is"),
            ("vision_cfg", #""patch_size": 7"#, .unsupported, "image_size 32 is not a multiple of patch_size 7"),
            ("vision_cfg", #""head_width": 5"#, .model, "width 32 is not a multiple of the number of heads, 6"),
            ("text_cfg", #""no_causal_mask": true"#, .unsupported, "text_cfg: no_causal_mask is true"),
            (
                "text_cfg", #""pool_type": "last""#, .unsupported,
                "pool_type is \"last\"; supported are \"argmax\", \"eos\""
            ),
            ("text_cfg", #""embed_cls": true"#, .unsupported, "embed_cls is true"),
            ("text_cfg", #""proj_bias": true"#, .unsupported, "proj_bias is true"),
            ("text_cfg", #""proj_type": "none""#, .unsupported, "proj_type is \"none\"; supported is \"linear\""),
            ("text_cfg", #""mlp_ratio": 1e-9"#, .model, "mlp_ratio is"),
            (
                "model_cfg", #""multimodal_cfg": {"layers": 2}"#, .unsupported,
                "model_cfg: multimodal_cfg is {\"layers\":2}"
            ),
            ("model_cfg", #""embed_dim": 20"#, .model, "has the shape [24, 16], expected [24, 20]"),
            ("preprocess_cfg", #""resize_mode": "longest""#, .unsupported, "resize_mode is \"longest\"; supported are"),
            ("preprocess_cfg", #""interpolation": "lanczos""#, .unsupported, "interpolation is \"lanczos\""),
            ("preprocess_cfg", #""size": 64"#, .model, "size is 64; expected 32, the image_size of vision_cfg"),
            ("preprocess_cfg", #""std": [0, 1, 1]"#, .model, "std is [0,1,1]; expected three numbers from"),
        ]
        let folder = try copy("plain")
        let path = "\(folder.path)/open_clip_config.json"
        let config = String(decoding: try Files.read(path), as: UTF8.self)
        for it in cases {
            // The last of two equal keys counts.
            let start = try XCTUnwrap(config.range(of: "\"\(it.part)\": {")).upperBound
            var depth = 1
            let end = try XCTUnwrap(
                config[start...].indices.first {
                    if config[$0] == "{" { depth += 1 }
                    if config[$0] == "}" { depth -= 1 }
                    return depth == 0
                })
            let isEmpty = config[start..<end].allSatisfy(\.isWhitespace)
            let changed = config[..<end] + (isEmpty ? "" : ", ") + it.fields + config[end...]
            try folder.write(Array(changed.utf8), to: "open_clip_config.json")
            assertFails(it.code, it.message) { _ = try Scorer(directory: folder.path) }
        }
    }

    func testMissingFilesAreNamed() throws {
        let folder = try copy("plain")
        try FileManager.default.removeItem(atPath: "\(folder.path)/tokenizer.json")
        assertFails(.io, "tokenizer.json") { _ = try Scorer(directory: folder.path) }
        let other = try copy("plain")
        try FileManager.default.removeItem(atPath: "\(other.path)/open_clip_model.safetensors")
        assertFails(.io, "has open_clip_config.json, but not open_clip_model.safetensors") {
            _ = try Scorer(directory: other.path)
        }
        try other.write([], to: "open_clip_pytorch_model.bin")
        assertFails(.unsupported, "but open_clip_pytorch_model.bin: pickled weights are not supported") {
            _ = try Scorer(directory: other.path)
        }
    }
}
