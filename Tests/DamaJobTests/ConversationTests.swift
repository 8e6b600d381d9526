import XCTest

@testable import Dama

/// Messages as written by LLaVA, RLAIF-V, TRL and LLaMA-Factory. A row with anything other than a system prompt, one
/// question and one response is rejected: using a part of it would score a conversation that nobody wrote.
final class ConversationTests: XCTestCase {
    private func read(_ fields: String) throws -> PairRecord {
        try PairRecord(RawRow(index: 0, line: 1, bytes: Array("{\"image\":\"a\",\(fields)}".utf8)), names: FieldNames())
    }

    private func assertRead(
        _ fields: String, system: String? = nil, _ question: String?, _ chosen: String = "c",
        _ rejected: String = "r", line: UInt = #line
    ) {
        do {
            let record = try read(fields)
            XCTAssertEqual(record.system, system, line: line)
            XCTAssertEqual(record.question, question, line: line)
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

    // Before the fix, a system message was scored as the question, and so was the first or the last of several
    // questions.
    func testRolesOfConversations() {
        let human = #"{"from":"human","value":"<image>\nQ"}"#
        let gpt = #"{"from":"gpt","value":"A"}"#
        let system = #"{"from":"system","value":"S"}"#
        assertRead(#""conversations":[\#(human)],\#(responses)"#, "<image>\nQ")
        assertRead(#""conversations":[\#(human),\#(gpt)],\#(responses)"#, "<image>\nQ")
        assertRead(#""conversations":[\#(system),\#(human)],\#(responses)"#, system: "S", "<image>\nQ")
        assertRead(#""conversations":[\#(system),\#(human),\#(gpt)],\#(responses)"#, system: "S", "<image>\nQ")
        assertRead(#""conversations":[{"value":"Q"}],\#(responses)"#, "Q")
        for list in [
            "\(human),\(gpt),\(human)", "\(human),\(gpt),\(human),\(gpt)", "\(human),\(human)", "\(human),\(system)",
            "\(system),\(system),\(human)", "\(gpt),\(human)", "\(human),\(gpt),\(gpt)",
        ] {
            assertRejected(#""conversations":[\#(list)],\#(responses)"#, "\"conversations\" has the messages ")
        }
        assertRejected(#""conversations":[{"from":"tool","value":"Q"}],\#(responses)"#, #"role "tool""#)
    }

    func testRolesOfPrompts() {
        func message(_ role: String, _ text: String) -> String { #"{"role":"\#(role)","content":"\#(text)"}"# }
        let (user, assistant, system) = (message("user", "Q"), message("assistant", "A"), message("system", "S"))
        assertRead(#""prompt":"Q",\#(responses)"#, "Q")
        assertRead(#""prompt":[\#(user)],\#(responses)"#, "Q")
        assertRead(#""prompt":\#(user),\#(responses)"#, "Q")
        assertRead(#""prompt":[\#(system),\#(user)],\#(responses)"#, system: "S", "Q")
        assertRead(#""prompt":[\#(message("developer", "S")),\#(user)],\#(responses)"#, system: "S", "Q")
        assertRejected(#""prompt":[\#(user),\#(assistant),\#(user)],\#(responses)"#, "user, assistant, user")
        assertRejected(#""prompt":[\#(user),\#(assistant)],\#(responses)"#, "ends with an answer")
        // Text and image parts, as processors in transformers take them.
        assertRead(
            #""prompt":[{"role":"user","content":[{"type":"image"},{"type":"text","text":"Q"}]}],\#(responses)"#, "Q")
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
        assertRead(pair(talk(("assistant", "c")), talk(("assistant", "r")), #""prompt":"Q","#), "Q")
        assertRead(pair(#"{"from":"gpt","value":"c"}"#, #"{"from":"gpt","value":"r"}"#), nil)
        // TRL's implicit prompt.
        let (chosen, rejected) = (talk(("user", "Q"), ("assistant", "c")), talk(("user", "Q"), ("assistant", "r")))
        assertRead(pair(chosen, rejected), "Q")
        assertRead(pair(chosen, rejected, #""prompt":"Q","#), "Q")
        assertRead(pair(chosen, rejected, #""prompt":"<image>\nQ","#), "<image>\nQ")
        assertRead(
            pair(
                talk(("system", "S"), ("user", "Q"), ("assistant", "c")),
                talk(("system", "S"), ("user", "Q"), ("assistant", "r"))), system: "S", "Q")
        assertRejected(pair(chosen, rejected, #""prompt":"other","#), "has other messages before the response")
        assertRejected(pair(chosen, talk(("user", "P"), ("assistant", "r"))), "answer different messages")
        assertRejected(pair(chosen, "\"r\""), "answer different messages")
        for bad in [
            talk(("user", "Q")), talk(("assistant", "c"), ("user", "Q")),
            talk(("user", "Q"), ("assistant", "c"), ("user", "P")),
            talk(("user", "P"), ("assistant", "A"), ("user", "Q"), ("assistant", "c")),
            #"{"role":"user","content":"c"}"#,
        ] {
            assertRejected(pair(bad, bad, #""prompt":"Q","#), "\"chosen\"")
        }
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
        XCTAssertEqual(record.question, "Q")
        XCTAssertEqual(
            try question(#""conversations":[{"from":"system","value":"S"},{"from":"human","value":"Q"}]"#).system, "S")
        XCTAssertThrowsError(try question(#""conversations":[{"from":"system","value":"S"}]"#))
    }
}
