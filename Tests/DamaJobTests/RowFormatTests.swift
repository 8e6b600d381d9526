import DamaTestSupport
import XCTest

@testable import Dama

/// Rows as the datasets of other trainers have them. The expected values are those of the formats' documentation.
final class RowFormatTests: XCTestCase {
    private struct Case {
        var format: RowFormat
        var row: String
        /// Roles and texts of the prompt; an image's place is `<image>`.
        var prompt: [String]
        var chosen = "good"
        var rejected = "bad"
    }

    private let cases = [
        // RLAIF-V on the hub, and the authors' data.
        Case(
            format: .rlaifV,
            row:
                #"{"ds_name":"x","image":{"bytes":"aW1n","path":"a.jpg"},"text":"{\"question\":\"Q\",\"chosen\":\"good\",\"rejected\":\"bad\"}","origin_dataset":"d","origin_split":"{}","idx":3,"image_path":"a.jpg"}"#,
            prompt: ["user: Q"]),
        Case(
            format: .rlaifV, row: #"{"idx":3,"question":"Q","chosen":"good","rejected":"bad","image_path":"a.jpg"}"#,
            prompt: ["user: Q"]),
        // LLaVA's own data with responses.
        Case(
            format: .llava,
            row:
                #"{"id":"3","image":"a.jpg","conversations":[{"from":"human","value":"<image>\nQ"},{"from":"gpt","value":"good"}],"chosen":"good","rejected":"bad"}"#,
            prompt: ["user: <image>\nQ"]),
        // TRL: explicit and implicit prompts, texts and messages.
        Case(
            format: .trl, row: #"{"images":["a.jpg"],"prompt":"Q","chosen":"good","rejected":"bad"}"#,
            prompt: ["user: Q"]),
        Case(
            format: .trl,
            row:
                #"{"images":[{"bytes":"aW1n","path":null}],"prompt":[{"role":"system","content":"S"},{"role":"user","content":[{"type":"image"},{"type":"text","text":"Q"}]}],"chosen":[{"role":"assistant","content":[{"type":"text","text":"good"}]}],"rejected":[{"role":"assistant","content":"bad"}]}"#,
            prompt: ["system: S", "user: <image>Q"]),
        Case(
            format: .trl,
            row:
                #"{"images":["a.jpg"],"chosen":[{"role":"user","content":"Q"},{"role":"assistant","content":"good"}],"rejected":[{"role":"user","content":"Q"},{"role":"assistant","content":"bad"}]}"#,
            prompt: ["user: Q"]),
        // LLaMA-Factory's ShareGPT and Alpaca.
        Case(
            format: .sharegpt,
            row:
                #"{"conversations":[{"from":"human","value":"<image>Q"},{"from":"gpt","value":"A"},{"from":"human","value":"R"}],"chosen":{"from":"gpt","value":"good"},"rejected":{"from":"gpt","value":"bad"},"system":"S","images":["a.jpg"]}"#,
            prompt: ["system: S", "user: <image>Q", "assistant: A", "user: R"]),
        Case(
            format: .sharegpt,
            row:
                #"{"instruction":"I","input":"J","chosen":"good","rejected":"bad","history":[["Q","A"]],"system":"S","images":["a.jpg"]}"#,
            prompt: ["system: S", "user: Q", "assistant: A", "user: I\nJ"]),
        Case(
            format: .sharegpt, row: #"{"instruction":"I","input":"","chosen":"good","rejected":"bad","image":"a.jpg"}"#,
            prompt: ["user: I"]),
        // ms-swift.
        Case(
            format: .sharegpt,
            row:
                #"{"messages":[{"role":"system","content":"S"},{"role":"user","content":"<image>Q"},{"role":"assistant","content":"good"}],"rejected_response":"bad","images":["a.jpg"],"system":"other"}"#,
            prompt: ["system: S", "user: <image>Q"]),
        Case(
            format: .sharegpt,
            row:
                #"{"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"good"}],"rejected_messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"bad"}],"images":[{"bytes":"aW1n","path":"a.jpg"}]}"#,
            prompt: ["user: Q"]),
    ]

    private func read(_ row: String, _ format: RowFormat) throws -> PairRecord {
        var names = FieldNames()
        names.format = format
        return try PairRecord(RawRow(index: 0, line: 1, bytes: Array(row.utf8)), names: names)
    }

    private func texts(_ messages: [ChatMessage]?) -> [String]? {
        messages?.map { message in
            let text = message.content.map { part in
                switch part {
                case .image: "<image>"
                case .text(let text): text
                }
            }
            return "\(message.role.rawValue): \(text.joined())"
        }
    }

    func testEveryFormatIsReadByNameAndByItself() throws {
        for it in cases {
            for format in [it.format, .automatic] {
                let found = try read(it.row, format)
                XCTAssertEqual(texts(found.messages), it.prompt, "\(format): \(it.row)")
                XCTAssertEqual([found.chosen, found.rejected], [it.chosen, it.rejected], "\(format): \(it.row)")
                XCTAssertEqual(found.images.count, 1, it.row)
            }
        }
    }

    /// Questions without responses, as for generation.
    func testQuestions() throws {
        for (row, prompt) in [
            (#"{"messages":[{"role":"user","content":"Q"}],"images":["a.jpg"]}"#, ["user: Q"]),
            (
                #"{"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}],"image":"a.jpg"}"#,
                ["user: Q"]
            ),
            (#"{"instruction":"I","input":"J","output":"A","image":"a.jpg"}"#, ["user: I\nJ"]),
        ] {
            let found = try QuestionRecord(
                RawRow(index: 0, line: 1, bytes: Array(row.utf8)), names: FieldNames(), takesImage: true)
            XCTAssertEqual(texts(found.messages), prompt, row)
        }
    }

    func testAMissingFieldOfANamedFormatIsNamed() {
        let plain = #"{"image":"a.jpg","prompt":"Q","chosen":"good","rejected":"bad"}"#
        for (format, row, text) in [
            (RowFormat.llava, plain, #"the format "llava" needs the field "conversations""#),
            (.rlaifV, plain, #"the format "rlaif_v" needs the field "question""#),
            (.rlaifV, #"{"question":"Q","images":["a.jpg"]}"#, #"needs the field "image" or "image_path""#),
            (.trl, #"{"question":"Q","images":["a.jpg"]}"#, #"the format "trl" needs the field "chosen""#),
            (.sharegpt, plain, #"needs the field "conversations" or "messages" or "instruction""#),
            (
                .sharegpt, #"{"messages":[{"role":"user","content":"Q"}],"rejected_response":"b","image":"a.jpg"}"#,
                "does not end with the chosen response"
            ),
            // The names of fields alone.
            (.fields, cases[9].row, "the field \"chosen\" is missing"),
        ] {
            XCTAssertThrowsError(try read(row, format), row) { error in
                let reason = (error as? Rejection)?.reason ?? "\(error)"
                XCTAssertTrue(reason.contains(text), reason)
            }
        }
    }

    /// A job without a format keeps its settings; another format is another job.
    func testTheSetting() throws {
        var options = RowJobOptions(data: "d", output: "o")
        func value() -> JSON? {
            RowJobOptions.table.values(of: options, .results).first { $0.key == "data_format" }?.value
        }
        XCTAssertEqual(value(), .null)
        try RowJobOptions.table.read(
            into: &options, ["data": "d", "output": "o", "data_format": "trl", "fields": ["idx=n"]], place: "options")
        XCTAssertEqual(options.fields.format, .trl)
        XCTAssertEqual(value(), "trl")
        assertFails(.invalidArgument, "data_format is \"csv\"; expected one of auto, fields, llava, rlaif_v") {
            try RowJobOptions.table.read(
                into: &options, ["data": "d", "output": "o", "data_format": "csv"], place: "options")
        }
    }
}
