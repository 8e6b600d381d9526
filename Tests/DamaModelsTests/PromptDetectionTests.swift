import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

/// Which known template a model directory's own chat template is taken for.
final class PromptDetectionTests: XCTestCase {
    func testFormatsAreKnownByTheirMarks() {
        for (text, name) in [
            ("{{'<|im_start|>' + message['role']}}", "chatml"),
            ("<|im_start|>system\nYou are … named SmolLM", "smollm2"),
            ("{{ '<|start_header_id|>' + role }}", "llama-3"), ("[INST] {{ content }} [/INST]", "llama-2"),
            ("{{ '<|user|>\n' }}", "zephyr"), ("{{ message }}", nil),
        ] {
            XCTAssertEqual(PromptTemplate.known(chatTemplate: text, takesImage: false), name)
        }
        XCTAssertEqual(PromptTemplate.known(chatTemplate: "USER: <image>", takesImage: true), "llava-1.5")
        XCTAssertNil(PromptTemplate.known(chatTemplate: "{{ message['role'].upper() + ': ' }}", takesImage: true))
        XCTAssertNil(PromptTemplate.known(chatTemplate: "A chat between … USER: <image>", takesImage: true))
    }

    func testEveryPlaceOfAChatTemplateIsRead() throws {
        let folder = try TemporaryDirectory()
        func detected() throws -> String? { try PromptTemplate.detect(directory: folder.path, takesImage: false) }
        func configure(_ json: String) throws { try folder.write(json.utf8, to: "tokenizer_config.json") }
        XCTAssertNil(try detected())
        try configure("{}")
        XCTAssertNil(try detected())
        try configure(#"{"chat_template": "[INST] {{ x }}"}"#)
        XCTAssertEqual(try detected(), "llama-2")
        try configure(
            #"{"chat_template": [{"name": "tools", "template": "[INST]"}, {"name": "default", "template": "<|user|>"}]}"#
        )
        XCTAssertEqual(try detected(), "zephyr")
        // The file, as newer versions of transformers write it, goes first.
        try folder.write("<|start_header_id|>".utf8, to: "chat_template.jinja")
        XCTAssertEqual(try detected(), "llama-3")
        try folder.write([UInt8](), to: "chat_template.jinja")
        XCTAssertNil(try detected())
    }
}
