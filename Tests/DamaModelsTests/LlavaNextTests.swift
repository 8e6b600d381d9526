import DamaImage
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

/// LLaVA-1.6 against transformers (Fixtures/make_llava_next.py), with images of several aspect ratios.
final class LlavaNextTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let cases = ["default", "mistral"]

    private func fixture(_ name: String) throws -> TiledFixture {
        try TiledFixture("llava_next/\(name)", tokenizer: "llava/default")
    }

    private func policy(
        _ fixture: TiledFixture, _ change: (inout PolicyOptions) -> Void = { _ in }
    ) throws -> Policy {
        var options = PolicyOptions()
        options.template = "vicuna_v1"
        change(&options)
        return try Policy(directory: fixture.directory, options: options)
    }

    // MARK: Results

    func testLogProbabilitiesEqualTransformers() throws {
        for name in Self.cases {
            let fixture = try fixture(name)
            try TiledOracle.compareLogProbabilities(policy(fixture), fixture)
            try TiledOracle.compareLogProbabilities(policy(fixture) { $0.sharesPrefix = false }, fixture)
        }
    }

    func testGreedyTextEqualsTransformers() throws {
        for name in Self.cases {
            let fixture = try fixture(name)
            try TiledOracle.compareGreedyText(policy(fixture), fixture)
        }
    }

    /// The number of tokens of the model's true grids, at sizes where rounding counts too.
    func testTokenCountsEqualTransformers() throws {
        let config: JSON = [
            "vision_config": [
                "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 2, "image_size": 336, "patch_size": 14,
            ]
        ]
        let configuration = try LlavaNextConfiguration(ConfigReader(config, place: "config.json"))
        let processor = try GridImageProcessor(json: [
            "image_processor_type": "LlavaNextImageProcessor", "size": 336, "crop_size": 336,
        ])
        let counts = try XCTUnwrap(Fixtures.json("llava_next/counts.json").array)
        XCTAssertGreaterThan(counts.count, 150)
        for entry in counts {
            let numbers = try XCTUnwrap(entry.array).map { try XCTUnwrap($0.int) }
            let picture = PixelSize(width: numbers[1], height: numbers[0])
            let grid = try processor.grid(for: picture)
            let tiling = ImageTiling(rows: grid.height / 336, columns: grid.width / 336, picture: picture)
            let found = configuration.features(tiling)
            XCTAssertEqual(found.count, numbers[2], "\(picture)")
            XCTAssertTrue(configuration.featureCounts.contains(found.count))
            // Each patch of the tiles at most once.
            let patches = found.compactMap(\.self)
            XCTAssertEqual(Set(patches).count, patches.count)
            XCTAssertTrue(patches.allSatisfy((0..<tiling.tileCount * 576).contains), "\(picture)")
        }
    }

    func testTheIdentityHoldsTheGrids() throws {
        let fixtures = try Self.cases.map(fixture)
        let identities = try fixtures.map { try policy($0).identity() }
        for identity in identities {
            XCTAssertEqual(identity["architecture"]?["vision"]?["model_type"], "llava_next")
            XCTAssertNotNil(identity["architecture"]?["vision"]?["vision_config"])
        }
        func grids(_ identity: JSON) -> JSON? { identity["architecture"]?["vision"]?["image_grid_pinpoints"] }
        XCTAssertEqual(grids(identities[1]), [[32, 48], [16, 16]])
        XCTAssertNotEqual(grids(identities[0]), grids(identities[1]))
        XCTAssertNotEqual(identities[0]["image_processing"], identities[1]["image_processing"])
    }

    // MARK: Bad input

    func testWhatIsNotSupportedIsNamed() throws {
        func fails(_ code: DamaError.Code, _ message: String, _ file: String, _ key: String, _ value: JSON) throws {
            let fixture = try fixture("default")
            try fixture.change(file, key, to: value)
            assertFails(code, message) { _ = try policy(fixture) }
        }
        try fails(
            .unsupported, "is \"full\"; it must be \"default\" for CLIP", "config.json",
            "vision_feature_select_strategy", "full")
        try fails(.model, "image_grid_pinpoints of config.json", "config.json", "image_grid_pinpoints", [[16, 16]])
        try fails(
            .unsupported, "it must be LlavaNextImageProcessor", "preprocessor_config.json", "image_processor_type",
            "CLIPImageProcessor")
        try fails(
            .unsupported, "must be multiples of the tiles' side of 12", "preprocessor_config.json", "crop_size", 12)
        try fails(
            .model, "makes tiles of 8 × 8 pixels (crop_size 8); the vision tower takes 16 × 16",
            "preprocessor_config.json", "crop_size", 8)
        let large = try fixture("default")
        let sizes: JSON = [[65536, 16384]]
        for file in ["config.json", "preprocessor_config.json"] {
            try large.change(file, "image_grid_pinpoints", to: sizes)
            if file == "config.json" {
                try large.change(file, "vision_config", to: ["image_size": 2048, "patch_size": 1])
            }
        }
        for key in ["crop_size", "size"] { try large.change("preprocessor_config.json", key, to: 2048) }
        assertFails(.unsupported, "supported are 1048576") { _ = try policy(large) }
        assertFails(.unsupported, "the image mode is \"pad\"; a llava_next cuts images into tiles") {
            _ = try policy(fixture("default")) { $0.imageMode = .pad }
        }
    }

    func testAFileWithoutTheLineBreakIsNamed() throws {
        let fixture = try fixture("default")
        let path = "\(fixture.directory)/model.safetensors"
        var bytes = try Files.read(path)
        let name = Array("image_newline".utf8)
        let start = try XCTUnwrap(bytes.indices.first { bytes[$0...].starts(with: name) })
        bytes[start] = UInt8(ascii: "x")
        try Files.writeAtomically(bytes, to: path)
        assertFails(.model, "none of the tensors image_newline, model.image_newline") { _ = try policy(fixture) }
    }

    func testANarrowImageIsNamed() throws {
        let policy = try policy(fixture("default"))
        let sliver = try RGBImage(width: 1, height: 2000, pixels: [UInt8](repeating: 7, count: 6000))
        let request = GenerationRequest(image: .pixels(sliver), prompt: "What?")
        assertFails(.invalidArgument, "an image of 1 × 2000 pixels is too narrow") { _ = try policy.prepare(request) }
    }
}
