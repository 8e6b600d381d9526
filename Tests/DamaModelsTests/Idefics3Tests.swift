import DamaImage
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

/// Idefics3 and SmolVLM against transformers (Fixtures/make_idefics3.py), with images of several aspect ratios.
final class Idefics3Tests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let cases = ["idefics3", "smolvlm"]

    private func fixture(_ name: String) throws -> TiledFixture {
        try TiledFixture("idefics3/\(name)", tokenizer: "idefics3")
    }

    private func policy(
        _ fixture: TiledFixture, _ change: (inout PolicyOptions) -> Void = { _ in }
    ) throws -> Policy {
        var options = PolicyOptions()
        options.template = "User:{image}{question}<end_of_utterance>\nAssistant: {response}<end_of_utterance>"
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

    func testImagesThatAreNotCutEqualTransformers() throws {
        let fixture = try fixture("smolvlm")
        try fixture.change("preprocessor_config.json", "do_image_splitting", to: false)
        let policy = try policy(fixture)
        try TiledOracle.compareLogProbabilities(policy, fixture, "whole")
        try TiledOracle.compareGreedyText(policy, fixture, "whole")
        XCTAssertEqual(policy.vision?.tokenCounts, 7...7)
    }

    /// A template in the models' own form, which gets messages as lists of parts.
    func testTheDirectorysTemplatePlacesImages() throws {
        let fixture = try fixture("idefics3")
        let template = """
            {% for message in messages %}{{ message.role | capitalize }}:{% for part in message.content %}\
            {% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}<end_of_utterance>
            {% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}
            """
        try Files.writeAtomically(Array(template.utf8), to: "\(fixture.directory)/chat_template.jinja")
        try TiledOracle.compareGreedyText(policy(fixture) { $0.template = nil }, fixture)
    }

    func testPositionsEqualTransformers() throws {
        let entries = try XCTUnwrap(Fixtures.json("idefics3/positions.json").array)
        XCTAssertEqual(entries.count, 20)
        for entry in entries {
            let (count, size) = (try XCTUnwrap(entry.array?[0].int), try XCTUnwrap(entry.array?[1].int))
            let expected = try XCTUnwrap(entry.array?[2].array).map { try XCTUnwrap($0.int) }
            XCTAssertEqual(Idefics3Configuration.positions(of: count, in: size), expected, "\(count) in \(size)")
        }
    }

    /// The bounds hold for every image, and the upper one is reached.
    func testTheNumberOfTokensIsBounded() throws {
        for (name, tokens) in [("idefics3", 9), ("smolvlm", 4)] {
            let fixture = try fixture(name)
            let policy = try policy(fixture)
            let vision = try XCTUnwrap(policy.vision)
            // <fake_token_around_image><global-img>…<fake_token_around_image>
            XCTAssertEqual(vision.tokenCounts.lowerBound, tokens + 3)
            for (width, height) in [(1, 1), (72, 72), (200, 3), (3, 200), (72, 40)] {
                let bytes = [UInt8](repeating: 90, count: 3 * width * height)
                let image = try vision.prepare(RGBImage(width: width, height: height, pixels: bytes))
                let count = try vision.expansion(of: image).count
                XCTAssertTrue(vision.tokenCounts.contains(count), "\(name), \(width) × \(height)")
                if width == 72, height == 72 { XCTAssertEqual(count, policy.imageTokens) }
            }
        }
    }

    func testTheIdentityTellsModelsApart() throws {
        let fixtures = try Self.cases.map(fixture)
        let identities = try fixtures.map { try policy($0).identity() }
        XCTAssertEqual(identities[0]["architecture"]?["vision"]?["model_type"], "idefics3")
        XCTAssertEqual(identities[1]["architecture"]?["vision"]?["scale_factor"], 3)
        XCTAssertNotEqual(identities[0]["image_processing"], identities[1]["image_processing"])
    }

    // MARK: Bad input

    func testWhatIsNotSupportedIsNamed() throws {
        func fails(_ code: DamaError.Code, _ message: String, _ file: String, _ key: String, _ value: JSON) throws {
            let fixture = try fixture("idefics3")
            try fixture.change(file, key, to: value)
            assertFails(code, message) { _ = try policy(fixture) }
        }
        let processor = "preprocessor_config.json"
        try fails(
            .unsupported, "tiles of 20 pixels (max_image_size) do not", processor, "max_image_size",
            ["longest_edge": 20])
        try fails(.unsupported, "whole image tokens of 20 pixels", "config.json", "scale_factor", 5)
        try fails(
            .unsupported, "it must be Idefics3ImageProcessor", processor, "image_processor_type", "CLIPImageProcessor")
        try fails(
            .unsupported, "text_config: model_type is \"mamba\"", "config.json", "text_config", ["model_type": "mamba"])
        try fails(.model, "image_token_id is 9999", "config.json", "image_token_id", 9999)
        try fails(
            .unsupported, "supported are up to 1024 patches a side", "config.json", "vision_config",
            ["image_size": 65536, "patch_size": 1])
        try fails(.model, "patch_size is 99", "config.json", "vision_config", ["image_size": 24, "patch_size": 99])
        let other = try fixture("idefics3")
        try Files.writeAtomically(
            Array(#"{"image_seq_len": 169}"#.utf8), to: "\(other.directory)/processor_config.json")
        assertFails(.model, "image_seq_len is 169; a tile of this model has 9 image tokens") { _ = try policy(other) }
        assertFails(.unsupported, "the image mode is \"pad\"; this model cuts images into tiles") {
            _ = try policy(fixture("idefics3")) { $0.imageMode = .pad }
        }
    }

    func testATokenizerWithoutTheTokensIsNamed() throws {
        let fixture = try fixture("idefics3")
        for name in ["tokenizer.json", "tokenizer_config.json"] {
            let path = "\(fixture.directory)/\(name)"
            let text = String(decoding: try Files.read(path), as: UTF8.self)
            let changed = text.replacingOccurrences(of: "<fake_token_around_image>", with: "<other>")
            try Files.writeAtomically(Array(changed.utf8), to: path)
        }
        assertFails(.model, "the tokenizer has no token <fake_token_around_image>") { _ = try policy(fixture) }
    }
}
