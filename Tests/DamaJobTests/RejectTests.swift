import Dama
import DamaTestSupport
import JobTestSupport
import XCTest

final class RejectTests: JobTestCase {
    func testEveryKindOfBadRowIsNamedAndTheJobGoesOn() throws {
        try write("ANGLE 1", to: "images/good.txt")
        try write("a photograph of a cat", to: "images/broken.txt")
        try write("BOMB", to: "images/bomb.txt")
        try write("GIF", to: "images/gif.txt")
        try write("ANGLE nan", to: "images/nan.txt")
        try write("ANGLE 1" + String(repeating: "0", count: 3000), to: "images/large.txt")
        try write("ANGLE 1", to: "secret.txt")
        let images = folder.path + "/images"
        for (link, target) in [
            ("out.txt", "../secret.txt"), ("absolute.txt", folder.path + "/secret.txt"),
            ("in.txt", "good.txt"), ("loop.txt", "loop.txt"),
        ] {
            try FileManager.default.createSymbolicLink(
                atPath: "\(images)/\(link)", withDestinationPath: target)
        }
        try FileManager.default.createDirectory(
            atPath: images + "/folder", withIntermediateDirectories: true)
        XCTAssertEqual(mkfifo(images + "/pipe", 0o600), 0)
        func row(_ image: String, _ chosen: String = "a @1", _ rejected: String = "b @2") -> String {
            JSON(
                dictionaryLiteral: ("idx", .string(image)), ("image", .string(image)),
                ("chosen", .string(chosen)), ("rejected", .string(rejected))
            ).text
        }
        let long = String(repeating: "word ", count: 100)
        let lines: [(line: String, kind: Rejection.Kind?)] = [
            (row("good.txt"), nil),
            (row("in.txt"), nil),
            (row(images + "/good.txt"), nil),
            ("{\"image\": ", .invalidJSON),
            ("\"\u{1}\"", .invalidJSON),
            ("{\"image\": \"good.txt\"}", .missingField),
            ("{\"image\": 3, \"chosen\": \"a\", \"rejected\": \"b\"}", .wrongType),
            (row("good.txt", " "), .emptyResponse),
            (row("good.txt", "..."), .emptyResponse),
            (row("good.txt", "UNSPLITTABLE"), .cannotSplit),
            (row("good.txt", long), .cannotSplit),
            (row("none.txt"), .imageMissing),
            (row("good.txt/x"), .imageMissing),
            (row("../secret.txt"), .imageOutsideRoot),
            (row("folder/../../secret.txt"), .imageOutsideRoot),
            (row("out.txt"), .imageOutsideRoot),
            (row("absolute.txt"), .imageOutsideRoot),
            (row("/etc/hostname"), .imageOutsideRoot),
            (row("loop.txt"), .imageUnreadable),
            (row("folder"), .imageUnreadable),
            (row("pipe"), .imageUnreadable),
            (row("broken.txt"), .imageBroken),
            (row("bomb.txt"), .imageTooLarge),
            (row("gif.txt"), .imageUnsupported),
            (#"{"images":["good.txt","in.txt"],"chosen":"a","rejected":"b"}"#, .severalImages),
            (
                #"{"image":"good.txt","chosen":[{"role":"user","content":"a"}],"rejected":"b"}"#,
                .unsupportedConversation
            ),
            (row("large.txt"), .imageTooLarge),
            (row("nan.txt"), .noHardness),
            (row("good.txt", String(repeating: "x", count: 3000)), .rowTooLarge),
            (row("folder/../good.txt"), nil),
        ]
        var bytes = Array(lines.map { $0.line + "\n" }.joined().utf8)
        bytes += "{\"image\": \"".utf8
        bytes.append(0xC3)
        bytes += "\"}\n".utf8
        try folder.write(bytes, to: "pairs.jsonl")
        var options = options()
        options.imageRoot = images
        options.imageByteLimit = 2000
        options.rows.rowLimit = 2000
        let summary = try run(options)

        let expected =
            lines.enumerated().filter { $0.element.kind != nil }.map { ($0.offset + 1, $0.element.kind!) }
            + [(lines.count + 1, .notUTF8)]
        let rejects = try rows("scores.rejects.jsonl")
        XCTAssertEqual(rejects.map { $0["line"]?.int }, expected.map(\.0))
        XCTAssertEqual(rejects.map { $0["kind"]?.string }, expected.map(\.1.rawValue), "\(rejects)")
        XCTAssertTrue(rejects.allSatisfy { !($0["reason"]?.string ?? "").isEmpty })
        XCTAssertEqual(rejects.first { $0["kind"] == "image_missing" }?["id"], "none.txt")
        XCTAssertEqual(summary.rowsScored, 4)
        XCTAssertEqual(summary.rowsRejected, expected.count)
        // Scoring has no length limit for prompts and joins no other data, so these kinds are tested with the
        // reference job, with training and with evaluations.
        let others: [Rejection.Kind] = [.doesNotFit, .noScore, .noReference, .unknownQuestion, .repeatedAnswer]
        XCTAssertEqual(
            Set(summary.rejectedByKind.keys),
            Set(Rejection.Kind.allCases.filter { !others.contains($0) }.map(\.rawValue)),
            "a kind is untested")
        XCTAssertEqual(try rows().count, 4)
        XCTAssertEqual(
            summary.meanDelta, try rows().compactMap { $0["delta"]?.double }.reduce(0, +) / 4,
            accuracy: 1e-15)
    }

    func testTheMostBadRowsStopTheJobWhichCanGoOn() throws {
        try Dataset(count: 30).write(to: folder.path, bad: true)
        var options = options()
        options.rows.maximumRejected = 1
        assertFails(.model, "more than the 1 allowed") { try run(options) }
        XCTAssertEqual(try rows("scores.rejects.jsonl").count, 2)
        XCTAssertFalse(exists("scores.jsonl"))
        options.rows.maximumRejected = nil
        let summary = try run(options)
        XCTAssertEqual(summary.rowsRejected, 4)
        XCTAssertEqual(try rows("scores.rejects.jsonl").count, 4)
    }

    func testADatasetWithoutAnyGoodRowIsAnError() throws {
        try write("{}\n{}\n")
        assertFails(.model, "all 2 rows were rejected") { try run(options()) }
        XCTAssertEqual(try rows("scores.rejects.jsonl").count, 2)
        XCTAssertFalse(exists("scores.partial"), "nothing is worth keeping")
        try write("\n")
        assertFails(.invalidArgument, "holds no rows") { try run(options("other.jsonl")) }
    }
}
