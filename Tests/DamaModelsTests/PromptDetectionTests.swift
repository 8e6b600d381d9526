import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaModels

/// Which known template a model directory's chat template is taken for, and that each template has its named format.
final class PromptDetectionTests: XCTestCase {
    private static let docs = Fixtures.path("../../../docs/templates")

    private func template(_ name: String) throws -> String {
        try String(contentsOfFile: "\(Self.docs)/\(name).jinja", encoding: .utf8)
    }

    /// The oracle is jinja2 (Fixtures/make_templates.py).
    func testFormatsAreWhatJinjaRenders() throws {
        let cases = try XCTUnwrap(Files.readJSON(Fixtures.path("templates.json")).object)
        XCTAssertEqual(cases.members.map(\.key), PromptTemplate.names)
        for (name, list) in cases.members {
            let format = try PromptTemplate.named(name)
            for test in try XCTUnwrap(list.array) {
                func field(_ key: String) throws -> String { try XCTUnwrap(test[key]?.string) }
                let images = try XCTUnwrap(test["images"]?.int)
                // Without an image the place is empty. The resulting "USER: \n" is only in the LLaVA formats, and no
                // model takes it.
                if format.hasImage, images == 0, name != "plain" { continue }
                let prompt = try format.render(
                    question: field("question"), system: test["system"]?.string, images: images)
                let text =
                    prompt.beforeImage + format.imageText(images, token: "<image>") + (prompt.afterImage ?? "")
                XCTAssertEqual(text, try field("prompt"), "\(name) \(test.text)")
                let whole = text + format.responseText(try field("response"))
                let rendered = try field("text")
                XCTAssertTrue(rendered.hasPrefix(whole), "\(name): \(whole) is not \(rendered)")
                XCTAssertEqual(
                    rendered.dropFirst(whole.count).trimmingCharacters(in: .whitespacesAndNewlines), "", name)
            }
        }
    }

    func testATemplateIsKnownByItsWholeText() throws {
        for name in PromptTemplate.names {
            let text = try template(name)
            let isForImages = try PromptTemplate.named(name).hasImage
            XCTAssertEqual(KnownTemplates.name(of: text, takesImage: false), name)
            XCTAssertEqual(KnownTemplates.name(of: text, takesImage: true), isForImages ? name : nil)
            // Jinja reads "\n" and "\r\n" alike and drops one at the end.
            let other = text.dropLast().replacingOccurrences(of: "\n", with: "\r\n")
            XCTAssertEqual(KnownTemplates.name(of: other, takesImage: false), name)
            for changed in [
                text + " ", text + "\n", String(text.dropFirst()), text.replacingOccurrences(of: " ", with: ""),
            ] {
                XCTAssertNil(KnownTemplates.name(of: changed, takesImage: false), name)
            }
        }
        // The text of llava-hf/llava-1.5-7b-hf's chat_template.json.
        let published =
            "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}"
            + "{% endif %}{# Render all images first #}{% for content in message['content'] | selectattr('type', "
            + "'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}{# Render all text next #}{% if message['role'] != "
            + "'assistant' %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
            + "{{ content['text'] + ' '}}{% endfor %}{% else %}{% for content in message['content'] | "
            + "selectattr('type', 'equalto', 'text') %}{% generation %}{{ content['text'] + ' '}}{% endgeneration %}"
            + "{% endfor %}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
        XCTAssertEqual(KnownTemplates.name(of: published, takesImage: true), "llava-1.5")
    }

    /// Marks in a template do not determine its format, neither for LLaVA nor for Llama.
    func testLikenessIsNotEnough() throws {
        let folder = try TemporaryDirectory()
        for text in [
            "{{ '<|start_header_id|>' + role }}", "{{'<|im_start|>' + message['role']}}",
            "[INST] {{ content }} [/INST]",
            "USER: {{ question }} ASSISTANT:", "### Human: {{ question }}", "{{ message }}", "<|user|>\n{{ question }}",
        ] {
            try folder.write(text.utf8, to: "chat_template.jinja")
            for takesImage in [true, false] {
                assertFails(.unsupported, "chat_template.jinja: this chat template is not supported") {
                    _ = try PromptTemplate.detect(directory: folder.path, takesImage: takesImage)
                }
            }
        }
        assertFails(.unsupported, "name one of chatml, llama-2, llama-3, llava-1.5, plain, smollm2, vicuna_v1, zephyr")
        {
            _ = try PromptTemplate.detect(directory: folder.path, takesImage: true)
        }
    }

    /// The sources of the template in transformers 5.23, observed with AutoProcessor and AutoTokenizer: a processor
    /// reads processor_config.json, chat_template.json and chat_template.jinja, a tokenizer reads the last and its own
    /// configuration.
    func testTheSourcesAndTheirOrder() throws {
        let folder = try TemporaryDirectory()
        func detected(_ takesImage: Bool) throws -> String {
            try PromptTemplate.detect(directory: folder.path, takesImage: takesImage)
        }
        func write(_ name: String, to file: String) throws {
            let json: JSON = ["chat_template": .string(try template(name))]
            try folder.write(json.text.utf8, to: file)
        }
        for takesImage in [true, false] {
            assertFails(.invalidArgument, "has no chat template; name one of chatml") { _ = try detected(takesImage) }
        }
        try folder.write("{}".utf8, to: "tokenizer_config.json")
        assertFails(.invalidArgument, "has no chat template") { _ = try detected(false) }

        try write("plain", to: "tokenizer_config.json")
        XCTAssertEqual(try detected(true), "plain")
        XCTAssertEqual(try detected(false), "plain")
        try folder.write(template("vicuna_v1").utf8, to: "chat_template.jinja")
        XCTAssertEqual(try detected(true), "vicuna_v1")
        XCTAssertEqual(try detected(false), "vicuna_v1")
        try write("llava-1.5", to: "chat_template.json")
        XCTAssertEqual(try detected(true), "llava-1.5")
        XCTAssertEqual(try detected(false), "vicuna_v1")
        try write("plain", to: "processor_config.json")
        XCTAssertEqual(try detected(true), "plain")
        XCTAssertEqual(try detected(false), "vicuna_v1")
        try folder.write(#"{"chat_template": null}"#.utf8, to: "processor_config.json")
        XCTAssertEqual(try detected(true), "llava-1.5")
    }

    func testOneOfSeveralTemplatesIsTheDefault() throws {
        let folder = try TemporaryDirectory()
        let (zephyr, chatml) = (JSON.string(try template("zephyr")), JSON.string(try template("chatml")))
        let tools: JSON = ["name": "tool_use", "template": chatml]
        for field: JSON in [
            [tools, ["name": "default", "template": zephyr]], ["tool_use": chatml, "default": zephyr],
        ] {
            try folder.write((["chat_template": field] as JSON).text.utf8, to: "tokenizer_config.json")
            XCTAssertEqual(try PromptTemplate.detect(directory: folder.path, takesImage: false), "zephyr")
        }
        for field: JSON in [[tools], ["tool_use": chatml], 5] {
            try folder.write((["chat_template": field] as JSON).text.utf8, to: "tokenizer_config.json")
            assertFails(.model, "one named \"default\"") {
                _ = try PromptTemplate.detect(directory: folder.path, takesImage: false)
            }
        }
    }
}
