import DamaJinja
import DamaSupport
import DamaTestSupport
import DamaText
import Foundation
import XCTest

@testable import DamaModels

/// Conversations as text and tokens, by templates of every kind.
final class ChatFormatTests: XCTestCase {
    private func tokens(
        _ program: String, image: Bool, name: String = "model/chat_template.jinja"
    ) throws -> PolicyTokens {
        let tokenizer = try Tokenizer(directory: Fixtures.path("chat"))
        let token: (token: String, id: Int32)? = image ? ("<image>", try XCTUnwrap(tokenizer.id(of: "<image>"))) : nil
        let format = try ChatFormat(
            ChatTemplate(name: name, program: program, isFile: true), tokenizer: tokenizer, endTokens: [2],
            imageToken: token?.token, system: nil, date: XCTUnwrap(CalendarDate("2025-03-09")))
        return PolicyTokens(tokenizer: tokenizer, format: format, image: token)
    }

    private func messages(_ json: JSON?) throws -> [ChatMessage] {
        try XCTUnwrap(json?.array).map { message in
            let pair = try XCTUnwrap(message.array)
            let parts = try XCTUnwrap(pair.last?.array)
            return ChatMessage(
                .init(rawValue: try XCTUnwrap(pair.first?.string)), parts.map { $0.string.map { .text($0) } ?? .image })
        }
    }

    /// Texts and ids are those of transformers 5.24 (Fixtures/make_chat.py).
    func testConversationsEqualTransformers() throws {
        for test in try XCTUnwrap(Fixtures.json("chat/cases.json")["cases"]?.array) {
            func field(_ key: String) throws -> String { try XCTUnwrap(test[key]?.string) }
            func ids(_ key: String) throws -> [Int] { try XCTUnwrap(test[key]?.array).compactMap(\.int) }
            let name = try field("name")
            let images = try XCTUnwrap(test["images"]?.int)
            let tokens = try tokens(field("template"), image: images > 0)
            let messages = try messages(test["messages"])
            let (response, end) = (try field("response"), try field("end"))

            let prompt = try tokens.format.prompt(messages)
            XCTAssertEqual(prompt, try field("prompt"), name)
            XCTAssertEqual(
                try tokens.format.text(messages, response: response, after: prompt), try field("text") + end, name)
            // An image of the fixture's processor takes 16 tokens.
            let counts = [[Int32]](repeating: TokenSequence.placeholders(16), count: images)
            func plain(_ ids: [Int32]) -> [Int] {
                ids.map { Int($0 == TokenSequence.imagePlaceholder ? tokens.image?.id ?? -1 : $0) }
            }
            XCTAssertEqual(plain(try tokens.encode(messages, imageTokens: counts)), try ids("prompt_ids"), name)
            let found = try tokens.encode(messages, responses: [response], imageTokens: counts)
            XCTAssertEqual(plain(found.prompt + found.responses[0]), try ids("ids") + (end.isEmpty ? [] : [2]), name)
        }
    }

    private func special(_ name: String) throws -> String {
        try XCTUnwrap(Fixtures.json("chat/cases.json")["special"]?[name]?.string)
    }

    /// What a generation prompt writes and an answer does not hold cannot be told from the answer.
    func testAPromptThatIsNoPrefixServesGenerationAlone() throws {
        let tokens = try tokens(special("no prefix"), image: false)
        let question = [ChatMessage(.user, "Q")]
        XCTAssertEqual(try tokens.format.prompt(question).suffix(8), "<think>\n")
        assertFails(.unsupported, "model/chat_template.jinja: the prompt with the start of a response is not") {
            try tokens.format.checkResponses()
        }
        assertFails(.unsupported, "model/chat_template.jinja") { _ = try tokens.encode(question, responses: ["A"]) }
    }

    /// Some templates always write the start of a next response, which is no part of this one.
    func testTheStartOfANextResponseIsLeftOut() throws {
        let tokens = try tokens(special("always"), image: false)
        let question = [ChatMessage(.user, "Q")]
        let prompt = "# user\nQ<|eot|># assistant\n"
        XCTAssertEqual(try tokens.format.prompt(question), prompt)
        XCTAssertEqual(try tokens.format.text(question, response: "A", after: prompt), prompt + "A<|eot|>")
    }

    func testWhatATemplateRefusesIsNamed() throws {
        let strict = try XCTUnwrap(
            Fixtures.json("chat/cases.json")["cases"]?.array?.first { $0["name"]?.string == "strict" })
        let tokens = try tokens(XCTUnwrap(strict["template"]?.string), image: false)
        let question = ChatMessage(.user, "Q")
        assertFails(.invalidArgument, "chat_template.jinja: the chat template refuses this: System role not supported")
        {
            _ = try tokens.encode([ChatMessage(.system, "S"), question])
        }
        assertFails(.invalidArgument, "Roles must alternate") { _ = try tokens.encode([question, question]) }
        assertFails(.invalidArgument, "chat_template.jinja: chat template, line 1: the template nests") {
            _ = try self.tokens("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", image: false)
        }
        assertFails(.invalidArgument, "chat_template.jinja: chat template, line 1: the template makes a text of more") {
            _ = try self.tokens(
                "{% set n = namespace(s='0123456789') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
                image: false)
        }
        assertFails(.model, "chat_template.jinja: chat template, line 2") {
            _ = try self.tokens("a\n{% endif %}", image: false)
        }
        assertFails(.invalidArgument, "writes no question") { _ = try self.tokens("a", image: false) }
    }

    /// A template that takes texts alone gets the image token in the text, as in LLaVA's data.
    func testATemplateForTextsGetsTheImageTokenInTheText() throws {
        let program = "{% for m in messages %}{{ m.role + ': ' + m.content | trim + '\n' }}{% endfor %}"
        let tokens = try tokens(program, image: true)
        func prompt(_ text: String, images: Int) throws -> String {
            try tokens.format.prompt([ChatMessage(.user, text)].placing(images: images, token: "<image>"))
        }
        XCTAssertEqual(try prompt("What?", images: 1), "user: <image>\nWhat?\n")
        XCTAssertEqual(try prompt("<image>\nWhat? ", images: 1), "user: <image>\nWhat?\n")
        XCTAssertEqual(try prompt("What?\n<image>", images: 1), "user: What?\n<image>\n")
        XCTAssertEqual(try prompt("A <image> or\n<image>?", images: 2), "user: A <image> or\n<image>?\n")
    }

    func testPlacesOfImages() throws {
        func placed(_ messages: [ChatMessage], _ count: Int, token: String? = "[I]") throws -> [[ChatMessage.Part]] {
            try messages.placing(images: count, token: token).map(\.content)
        }
        let turns = [ChatMessage(.system, "S"), ChatMessage(.user, "A"), ChatMessage(.user, " <image> \n<image>B[I] ")]
        XCTAssertEqual(
            try placed(turns, 3), [[.text("S")], [.text("A")], [.image, .image, .text("B"), .image]])
        XCTAssertEqual(try placed(Array(turns[..<2]), 2)[1], [.image, .image, .text("A")])
        // Texts beside places that are no marks stay as they are.
        let parts = ChatMessage(.user, [.text(" A\n"), .image])
        XCTAssertEqual(try placed([parts], 1), [[.text(" A\n"), .image]])
        assertFails(.invalidArgument, "contains [I] 3 times, but there are 2 images") { _ = try placed(turns, 2) }
        assertFails(.invalidArgument, "contains <image>, but the model takes no images") {
            _ = try placed(turns, 0, token: nil)
        }
        assertFails(.invalidArgument, "no message of the user") { _ = try placed([turns[0]], 1) }
    }

    func testAThousandTurns() throws {
        let tokens = try tokens(special("always"), image: false)
        let turns = (0..<1001).map { ChatMessage($0.isMultiple(of: 2) ? .user : .assistant, "Turn \($0).") }
        let text = try tokens.format.prompt(turns)
        XCTAssertEqual(text.components(separatedBy: "<|eot|>").count, 1002)
    }
}
