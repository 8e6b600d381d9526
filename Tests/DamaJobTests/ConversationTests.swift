import XCTest

@testable import Dama

/// Messages as written by LLaVA, ShareGPT, RLAIF-V, TRL and LLaMA-Factory, with their roles, turns and places of images.
final class ConversationTests: XCTestCase {
    private func read(_ fields: String) throws -> PairRecord {
        try PairRecord(RawRow(index: 0, line: 1, bytes: Array("{\"image\":\"a\",\(fields)}".utf8)), names: FieldNames())
    }

    private func assertRead(
        _ fields: String, _ messages: [ChatMessage]?, _ chosen: String = "c", _ rejected: String = "r",
        line: UInt = #line
    ) {
        do {
            let record = try read(fields)
            XCTAssertEqual(record.messages, messages, line: line)
            XCTAssertEqual([record.chosen, record.rejected], [chosen, rejected], line: line)
        } catch {
            XCTFail("\(error)", line: line)
        }
    }

    private func assertRejected(_ fields: String, _ reason: String, line: UInt = #line) {
        XCTAssertThrowsError(try read(fields), fields, line: line) { error in
            let rejection = error as? Rejection
            XCTAssertEqual(rejection?.kind, .unsupportedConversation, "\(error)", line: line)
            XCTAssertTrue(rejection?.reason.contains(reason) == true, "\(error)", line: line)
        }
    }

    private let responses = #""chosen":"c","rejected":"r""#
    private let (q, a, s) = (ChatMessage(.user, "Q"), ChatMessage(.assistant, "A"), ChatMessage(.system, "S"))

    // Before the fix, a system message was scored as the question, and so was the first or the last of several questions.
    func testRolesOfConversations() {
        let human = #"{"from":"human","value":"<image>\nQ"}"#
        let gpt = #"{"from":"gpt","value":"A"}"#
        let system = #"{"from":"system","value":"S"}"#
        let marked = ChatMessage(.user, "<image>\nQ")
        for (list, messages) in [
            ("\(human)", [marked]), ("\(human),\(gpt)", [marked]), ("\(system),\(human)", [s, marked]),
            ("\(system),\(human),\(gpt)", [s, marked]), ("\(human),\(gpt),\(human)", [marked, a, marked]),
            ("\(human),\(gpt),\(human),\(gpt)", [marked, a, marked]), ("\(human),\(human)", [marked, marked]),
            // Whether such a conversation can be written is up to the template.
            ("\(gpt),\(human)", [a, marked]), (#"{"value":"Q"}"#, [q]),
            (
                #"\#(human),\#(gpt),{"role":"tool","content":"T"}"#,
                [marked, a, ChatMessage(.init(rawValue: "tool"), "T")]
            ),
        ] {
            assertRead(#""conversations":[\#(list)],\#(responses)"#, messages)
        }
        assertRejected(
            #""conversations":[\#(human),\#(gpt),\#(gpt)],\#(responses)"#,
            #""conversations" ends with an answer (the messages user, assistant); responses must be"#)
        assertRejected(
            #""conversations":[\#(human),\#(system)],\#(responses)"#,
            #""conversations" has the messages user, system; expected a question at its end"#)
        assertRejected(#""conversations":[\#(system)],\#(responses)"#, "the messages system; expected a question")
        assertRejected(#""conversations":[{"from":"observer","value":"Q"}],\#(responses)"#, #"role "observer""#)
    }

    func testRolesOfPrompts() {
        func message(_ role: String, _ text: String) -> String { #"{"role":"\#(role)","content":"\#(text)"}"# }
        let (user, assistant, system) = (message("user", "Q"), message("assistant", "A"), message("system", "S"))
        assertRead(#""prompt":"Q",\#(responses)"#, [q])
        assertRead(#""prompt":[\#(user)],\#(responses)"#, [q])
        assertRead(#""prompt":\#(user),\#(responses)"#, [q])
        assertRead(#""prompt":[\#(system),\#(user)],\#(responses)"#, [s, q])
        assertRead(#""prompt":[\#(message("developer", "S")),\#(user)],\#(responses)"#, [s, q])
        assertRead(#""prompt":[\#(user),\#(assistant),\#(user)],\#(responses)"#, [q, a, q])
        assertRejected(#""prompt":[\#(user),\#(assistant)],\#(responses)"#, "ends with an answer")
        // Text and image parts, as processors in transformers take them.
        assertRead(
            #""prompt":[{"role":"user","content":["B ",{"type":"image_url","image_url":"x"},{"type":"text","text":"Q"}]}],\#(responses)"#,
            [ChatMessage(.user, [.text("B "), .image, .text("Q")])])
        assertRejected(
            #""prompt":[{"role":"user","content":[{"type":"audio","audio":"x"},{"type":"text","text":"Q"}]}],\#(responses)"#,
            "neither text nor image")
    }

    // A `chosen` that ends in a user's message. Before the fix, that message was scored.
    func testRolesOfResponses() {
        func pair(_ chosen: String, _ rejected: String, _ more: String = "") -> String {
            #"\#(more)"chosen":\#(chosen),"rejected":\#(rejected)"#
        }
        func talk(_ messages: (String, String)...) -> String {
            "[" + messages.map { #"{"role":"\#($0.0)","content":"\#($0.1)"}"# }.joined(separator: ",") + "]"
        }
        assertRead(pair(talk(("assistant", "c")), talk(("assistant", "r")), #""prompt":"Q","#), [q])
        assertRead(pair(#"{"from":"gpt","value":"c"}"#, #"{"from":"gpt","value":"r"}"#), nil)
        // TRL's implicit prompt.
        let (chosen, rejected) = (talk(("user", "Q"), ("assistant", "c")), talk(("user", "Q"), ("assistant", "r")))
        assertRead(pair(chosen, rejected), [q])
        assertRead(pair(chosen, rejected, #""prompt":"Q","#), [q])
        assertRead(pair(chosen, rejected, #""prompt":"<image>\nQ","#), [ChatMessage(.user, "<image>\nQ")])
        // A system prompt that the responses do not repeat.
        assertRead(
            pair(
                chosen, rejected,
                #""prompt":[{"role":"system","content":"S"},{"role":"user","content":"Q"}],"#), [s, q])
        assertRead(
            pair(
                talk(("system", "S"), ("user", "Q"), ("assistant", "A"), ("user", "Q"), ("assistant", "c")),
                talk(("system", "S"), ("user", "Q"), ("assistant", "A"), ("user", "Q"), ("assistant", "r"))),
            [s, q, a, q])
        assertRejected(pair(chosen, rejected, #""prompt":"other","#), "has other messages before the response")
        assertRejected(
            pair(
                talk(("user", "P"), ("assistant", "A"), ("user", "Q"), ("assistant", "c")), rejected, #""prompt":"Q","#),
            "\"chosen\" has other messages before the response")
        assertRejected(pair(chosen, talk(("user", "P"), ("assistant", "r"))), "answer different messages")
        assertRejected(pair(chosen, "\"r\""), "answer different messages")
        let twice = talk(("assistant", "c"), ("assistant", "d"))
        assertRejected(pair(twice, twice), "\"chosen\" has the messages assistant; expected a question")
        for bad in [
            talk(("user", "Q")), talk(("assistant", "c"), ("user", "Q")),
            talk(("user", "Q"), ("assistant", "c"), ("user", "P")), #"{"role":"user","content":"c"}"#,
        ] {
            assertRejected(pair(bad, bad, #""prompt":"Q","#), "\"chosen\" does not end with a message of the assistant")
        }
        let image = #"{"role":"assistant","content":[{"type":"image"},{"type":"text","text":"c"}]}"#
        assertRejected(pair(image, image), "holds an image in the response")
    }

    /// Generation reads only the question, in the same forms.
    func testQuestionsAlone() throws {
        func question(_ fields: String) throws -> QuestionRecord {
            try QuestionRecord(
                RawRow(index: 0, line: 1, bytes: Array("{\(fields)}".utf8)), names: FieldNames(), takesImage: false)
        }
        func talk(_ answer: String) -> String {
            #"[{"role":"user","content":"Q"},{"role":"assistant","content":"\#(answer)"}]"#
        }
        let record = try question(#""chosen":\#(talk("c")),"rejected":\#(talk("r"))"#)
        XCTAssertEqual(record.messages, [q])
        XCTAssertEqual(
            try question(#""conversations":[{"from":"system","value":"S"},{"from":"human","value":"Q"}]"#).messages,
            [s, q])
        XCTAssertThrowsError(try question(#""conversations":[{"from":"system","value":"S"}]"#))
    }
}
