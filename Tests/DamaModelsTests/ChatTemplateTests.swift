import DamaSupport
import DamaTestSupport
import DamaText
import Foundation
import XCTest

@testable import DamaModels

/// Where a model's template is found, and the built-in templates.
final class ChatTemplateTests: XCTestCase {
    private func tokenizer() throws -> Tokenizer { try Tokenizer(directory: Fixtures.path("chat")) }

    private func format(
        _ template: String, image: String? = nil, system: String? = nil
    ) throws -> ChatFormat {
        let tokenizer = try tokenizer()
        return try ChatFormat(
            ChatTemplate(template), tokenizer: tokenizer, endTokens: [2], imageToken: image, system: system,
            date: XCTUnwrap(.init("2024-07-26")))
    }

    private func messages(_ json: JSON?) throws -> [ChatMessage] {
        try XCTUnwrap(json?.array).map { message in
            let pair = try XCTUnwrap(message.array)
            return ChatMessage(
                .init(rawValue: try XCTUnwrap(pair.first?.string)), try XCTUnwrap(pair.last?.string))
        }
    }

    /// The oracle is jinja2 (Fixtures/make_templates.py).
    func testBuiltInTemplatesAreWhatJinjaRenders() throws {
        let cases = try XCTUnwrap(Files.readJSON(Fixtures.path("templates.json")).object)
        XCTAssertEqual(cases.members.map(\.key), ChatTemplate.names)
        for (name, list) in cases.members {
            for test in try XCTUnwrap(list.array) {
                let images = try XCTUnwrap(test["images"]?.int)
                let format = try format(name, image: images > 0 ? "<image>" : nil)
                var messages = try messages(test["messages"])
                for index in messages.indices where messages[index].role == .user && images > 0 {
                    messages[index].content.insert(contentsOf: repeatElement(.image, count: images), at: 0)
                }
                guard let prompt = test["prompt"]?.string, let text = test["text"]?.string else {
                    assertFails(.invalidArgument, "\"\(name)\": the chat template refuses this: This format has no") {
                        _ = try format.prompt(messages)
                    }
                    continue
                }
                XCTAssertEqual(try format.prompt(messages), prompt, "\(name) \(test.text)")
                let response = try XCTUnwrap(test["response"]?.string)
                XCTAssertEqual(try format.text(messages, response: response, after: prompt), text, name)
            }
        }
    }

    func testTheSystemPromptOfThePolicy() throws {
        let question = [ChatMessage(.user, "Q")]
        XCTAssertEqual(try format("vicuna_v1", system: "").prompt(question), "USER: Q ASSISTANT:")
        XCTAssertEqual(try format("vicuna_v1", system: "S").prompt(question), "S USER: Q ASSISTANT:")
        // A conversation's own system prompt takes precedence.
        let own = [ChatMessage(.system, "Own")] + question
        XCTAssertEqual(try format("vicuna_v1", system: "S").prompt(own), "Own USER: Q ASSISTANT:")
        for name in ["plain", "Q: {question} A: {response}"] {
            assertFails(.invalidArgument, "no place") { _ = try self.format(name, system: "S") }
        }
    }

    // MARK: Texts with places

    func testATextWithPlaces() throws {
        let format = try format("Q: {question}\nA: {response}\n{end}", image: "<image>")
        let question = [ChatMessage(.user, [.image, .text("why {response}? 'x' \\ {image}")])]
        let prompt = try format.prompt(question)
        // Without a place, images are in the question.
        XCTAssertEqual(prompt, "Q: <image>\nwhy {response}? 'x' \\ {image}\nA:")
        XCTAssertEqual(try format.text(question, response: "so", after: prompt), prompt + " so\n</s>")

        let places = try self.format(
            "{system}|{image}\n{question}|{response}|", image: "<image>", system: "S{question}")
        let two = [ChatMessage(.user, [.image, .text("a "), .image, .text("b")])]
        XCTAssertEqual(try places.prompt(two), "S{question}|<image>\n<image>\na b|")
        // Without {end} there is no end token.
        XCTAssertEqual(try places.text(two, response: "c", after: places.prompt(two)), try places.prompt(two) + "c|")
        let turns = [ChatMessage(.user, [.image, .text("a")]), ChatMessage(.assistant, "b"), ChatMessage(.user, "c")]
        XCTAssertEqual(try places.prompt(turns), "S{question}|<image>\na|b||\nc|")
    }

    func testBadTemplates() throws {
        assertFails(.invalidArgument, "{question} exactly once") { _ = try ChatTemplate("{response}") }
        assertFails(.invalidArgument, "{response} exactly once") {
            _ = try ChatTemplate("{question}{response}{response}")
        }
        assertFails(.invalidArgument, "{image} more than once") {
            _ = try ChatTemplate("{image}{image}{question}{response}")
        }
        assertFails(.invalidArgument, "before {response}") { _ = try ChatTemplate("{response}{question}") }
        assertFails(.invalidArgument, "unknown template \"vicuna_v9\"; it must be one of chatml, llama-2, llama-3") {
            _ = try ChatTemplate("vicuna_v9")
        }
        assertFails(.io, "none.jinja") { _ = try ChatTemplate("none.jinja") }
    }

    func testAFileIsATemplate() throws {
        let folder = try TemporaryDirectory()
        let path = try folder.write("{{ messages | map(attribute='content') | join('|') }}|".utf8, to: "own.jinja")
        XCTAssertEqual(try format(path).prompt([ChatMessage(.user, "a")]), "a|")
        XCTAssertEqual(try ChatTemplate(path).name, path)
    }

    // MARK: Sources

    /// The oracle is transformers' AutoProcessor and AutoTokenizer (Fixtures/make_chat.py).
    func testTheSourcesAndTheirOrder() throws {
        for test in try XCTUnwrap(Fixtures.json("chat/cases.json")["sources"]?.array) {
            let folder = try TemporaryDirectory()
            for (name, content) in try XCTUnwrap(test["files"]?.object).members {
                if name.hasPrefix("additional") {
                    try FileManager.default.createDirectory(
                        atPath: "\(folder.path)/additional_chat_templates", withIntermediateDirectories: true)
                }
                let isConfiguration = name == "tokenizer_config.json"
                let text = isConfiguration ? (["chat_template": content] as JSON).text : content.string ?? ""
                try folder.write(text.utf8, to: name)
            }
            for (takesImage, key) in [(true, "processor"), (false, "tokenizer")] {
                let found = try? ChatTemplate(directory: folder.path, takesImage: takesImage).program
                guard let expected = test[key]?.string else {
                    XCTAssertNil(found, test.text)
                    continue
                }
                // A processor without a template uses its tokenizer's.
                let own = expected.isEmpty && takesImage ? test["tokenizer"]?.string : expected
                XCTAssertEqual(found ?? "", own ?? "", test.text)
            }
        }
    }

    func testAMissingTemplateIsAnErrorWithTheNames() throws {
        let folder = try TemporaryDirectory()
        for takesImage in [true, false] {
            assertFails(
                .invalidArgument, "has no chat template; give one (template, --template, --splitter-template): one"
            ) { _ = try ChatTemplate(directory: folder.path, takesImage: takesImage) }
        }
        for field: JSON in [[["name": "tool_use", "template": "x"]], ["tool_use": "x"], 5] {
            try folder.write((["chat_template": field] as JSON).text.utf8, to: "tokenizer_config.json")
            assertFails(.model, "one named \"default\"") {
                _ = try ChatTemplate(directory: folder.path, takesImage: false)
            }
        }
        try FileManager.default.createDirectory(
            atPath: "\(folder.path)/additional_chat_templates", withIntermediateDirectories: true)
        try folder.write("x".utf8, to: "additional_chat_templates/tools.jinja")
        assertFails(.model, "has tools.jinja, but no default.jinja") {
            _ = try ChatTemplate(directory: folder.path, takesImage: false)
        }
    }
}
