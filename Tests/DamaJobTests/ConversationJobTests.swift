import DamaTestSupport
import Foundation
import XCTest

@testable import Dama

/// Jobs over rows with system prompts, several turns and several images.
final class ConversationJobTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let models =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .path + "/DamaModelsTests/Fixtures"

    private func policy(_ change: (inout PolicyOptions) -> Void = { _ in }) throws -> Policy {
        var options = PolicyOptions()
        change(&options)
        return try Policy(directory: Self.models + "/llava/default", options: options)
    }

    private func folder() throws -> TemporaryDirectory {
        let folder = try TemporaryDirectory()
        for file in ["llava/image.png", "two_images/second.png"] {
            try folder.write(Files.read("\(Self.models)/\(file)"), to: String(file.split(separator: "/")[1]))
        }
        return folder
    }

    private func cases() throws -> [JSON] {
        try XCTUnwrap(Files.readJSON(Self.models + "/two_images/turns.json").array)
    }

    private func reference(
        _ folder: TemporaryDirectory, _ rows: [String], _ policy: Policy
    ) throws -> (lines: [JSON], rejects: [JSON]) {
        let path = try folder.write(rows.joined(separator: "\n").utf8, to: "rows.jsonl")
        var options = ReferenceOptions(data: path, output: folder.path + "/out.jsonl")
        options.rows.restart = true
        try ReferenceJob(options, policy: policy).run()
        func lines(_ name: String) throws -> [JSON] {
            try String(contentsOfFile: "\(folder.path)/\(name)", encoding: .utf8).split(separator: "\n").map {
                try JSON(parsing: $0.utf8)
            }
        }
        return (try lines("out.jsonl"), try lines("out.rejects.jsonl"))
    }

    /// The oracle is transformers (DamaModelsTests/Fixtures/make_turns.py).
    func testLogProbabilitiesEqualTransformers() throws {
        let (folder, cases) = (try folder(), try cases())
        let found = try reference(folder, cases.map { try XCTUnwrap($0["row"]).text }, policy())
        XCTAssertEqual(found.rejects.count, 0, "\(found.rejects.map(\.text))")
        XCTAssertEqual(found.lines.count, cases.count)
        for (line, expected) in zip(found.lines, cases) {
            for key in ["chosen", "rejected"] {
                let numbers = try XCTUnwrap(expected["\(key)_logps"]?.array).compactMap(\.double)
                let tokens = try XCTUnwrap(line[key]?["tokens"]?.array).compactMap(\.double)
                XCTAssertEqual(tokens.count, numbers.count)
                // fp32 on both sides; see PolicyTests.
                for (a, b) in zip(tokens, numbers) { XCTAssertEqual(a, b, accuracy: 1e-4, expected.text) }
            }
        }
    }

    /// The key of one question with one image is that of 0.1, however the row is written; any other conversation has a
    /// key that covers all messages and images.
    func testKeys() throws {
        let (folder, policy) = (try folder(), try policy { $0.system = "S" })
        let bytes = try Files.read("\(folder.path)/image.png")
        let usual = ReferenceEntry.key(image: bytes, prompt: "Q", chosen: "c", rejected: "r")
        func user(_ content: String) -> String { #"{"role":"user","content":\#(content)}"# }
        let end = #""chosen":"c","rejected":"r"}"#
        let same = [
            #"{"image":"image.png","question":"Q",\#(end)"#,
            #"{"images":["image.png"],"prompt":[\#(user("\"Q\""))],\#(end)"#,
            #"{"images":["image.png"],"prompt":[\#(user(#"[{"type":"image"},{"type":"text","text":"Q"}]"#))],\#(end)"#,
            #"{"image":"image.png","prompt":[{"role":"system","content":"S"},\#(user("\"Q\""))],\#(end)"#,
        ]
        let other = [
            #"{"image":"image.png","prompt":[{"role":"system","content":"T"},\#(user("\"Q\""))],\#(end)"#,
            #"{"image":"image.png","prompt":[\#(user("\"Q\"")),\#(user("\"Q\""))],\#(end)"#,
            #"{"image":"image.png","prompt":[\#(user(#"["Q",{"type":"image"}]"#))],\#(end)"#,
            #"{"images":["image.png","second.png"],"question":"Q",\#(end)"#,
            #"{"images":["image.png","image.png"],"question":"Q",\#(end)"#,
            #"{"image":"image.png","prompt":[\#(user("\"Q\"")),{"role":"assistant","content":"A"},\#(user("\"Q\""))],\#(end)"#,
            #"{"image":"image.png","prompt":[\#(user("\"Q\"")),{"role":"assistant","content":"B"},\#(user("\"Q\""))],\#(end)"#,
        ]
        let found = try reference(folder, same + other, policy)
        XCTAssertEqual(found.rejects.count, 0, "\(found.rejects.map(\.text))")
        let keys = found.lines.compactMap { $0["key"]?.string }
        XCTAssertEqual(Array(keys.prefix(same.count)), Array(repeating: usual, count: same.count))
        XCTAssertEqual(Set(keys).count, 1 + other.count)

        // The cache finds the same pair given in Swift.
        let cache = try ReferenceCache(path: folder.path + "/out.jsonl", policy: policy)
        let images = ["image.png", "second.png"].map { ImageSource.path("\(folder.path)/\($0)") }
        XCTAssertTrue(try cache.contains(PreferencePair(image: images[0], prompt: "Q", chosen: "c", rejected: "r")))
        XCTAssertTrue(try cache.contains(PreferencePair(images: images, prompt: "Q", chosen: "c", rejected: "r")))
        XCTAssertFalse(
            try cache.contains(PreferencePair(images: images.reversed(), prompt: "Q", chosen: "c", rejected: "r")))
    }

    func testWhatCannotBeWrittenIsABadRow() throws {
        let folder = try folder()
        let end = #""chosen":"c","rejected":"r"}"#
        let turns = (0..<1001).map {
            #"{"from":"\#($0.isMultiple(of: 2) ? "human" : "gpt")","value":"T \#($0)"}"#
        }.joined(separator: ",")
        let rows = [
            (#"{"image":"image.png","question":"fine",\#(end)"#, ""),
            (
                #"{"images":["image.png"],"question":"<image> or <image>?",\#(end)"#,
                "<image> 2 times, but there is 1 image"
            ),
            (
                #"{"images":["image.png","second.png"],"question":"<image>?",\#(end)"#,
                "<image> 1 time, but there are 2 images"
            ),
            (
                #"{"image":"image.png","prompt":[{"role":"user","content":"Q"},{"role":"tool","content":"T"}],\#(end)"#,
                "chat_template.jinja: the chat template refuses this: This format has no role tool"
            ),
            (#"{"image":"image.png","conversations":[\#(turns)],\#(end)"#, "longer than the maximum of 512"),
            (#"{"images":["image.png","none.png"],"question":"Q",\#(end)"#, "none.png"),
        ]
        let found = try reference(folder, rows.map(\.0), policy())
        XCTAssertEqual(found.lines.count, 1)
        XCTAssertEqual(found.rejects.count, rows.count - 1)
        for (reject, row) in zip(found.rejects, rows.dropFirst()) {
            XCTAssertEqual(reject["reason"]?.string?.contains(row.1), true, reject.text)
        }
    }

    /// Rows that a text-only model reads need no image, and may have one.
    func testATextOnlyModelIgnoresImages() throws {
        let folder = try folder()
        var options = PolicyOptions()
        options.template = "plain"
        let policy = try Policy(directory: Self.models + "/onnx/llama", options: options)
        let end = #""chosen":"c","rejected":"r"}"#
        let found = try reference(
            folder,
            [
                #"{"question":"Q",\#(end)"#, #"{"image":"none.png","question":"Q",\#(end)"#,
                #"{"prompt":[{"role":"user","content":[{"type":"image"},{"type":"text","text":"Q"}]}],\#(end)"#,
            ], policy)
        XCTAssertEqual(found.rejects.count, 0, "\(found.rejects.map(\.text))")
        XCTAssertEqual(Set(found.lines.compactMap { $0["key"]?.string }).count, 1)
    }

    /// A changed second image is found when a job is resumed, as the first is.
    func testTheJournalHoldsEveryImage() throws {
        let folder = try folder()
        let root = try ImageRoot(path: folder.path, byteLimit: 1 << 20)
        var stamps: [ImageStamp] = []
        let images: [RowImage] = ["image.png", .bytes([1]), "second.png"]
        XCTAssertEqual(try root.read(images, stamps: &stamps).count, 3)
        XCTAssertThrowsError(try root.read(["none.png"], stamps: &stamps))
        XCTAssertEqual(stamps.map(\.path), ["image.png", "second.png", "none.png"])
        let block = BlockOutcome(rows: [.done([1]), .done([2])], state: [3], images: [stamps, []])
        let again = try BlockOutcome(decoding: block.encoded())
        XCTAssertEqual(again.images, [stamps, []])
    }
}
