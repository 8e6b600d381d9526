import Dama
import DamaTestSupport
import Foundation
import JobTestSupport
import XCTest

final class ScoreJobTests: JobTestCase {
    /// δ and the softmax in closed form, in double precision. The encoder's embeddings are floats of magnitude 1 and
    /// the scale is 10, so the error of a score is about 10 · 2⁻²³ ≈ 1e-6, and so is that of a probability.
    private let tolerance = 1e-5

    func testScoresEqualTheEquations() throws {
        let dataset = Dataset(count: 23)
        try dataset.write(to: folder.path)
        let summary = try run(options())
        let found = try rows()
        XCTAssertEqual(found.count, 23)
        var deltas: [Double] = []
        for (index, pair) in dataset.pairs.enumerated() {
            let angle = Double(Dataset.angle(ofImage: pair.image))
            let scores = (pair.chosen + pair.rejected).map {
                AngleEncoder.score(imageAngle: angle, sentence: $0)
            }
            let weights = scores.map { exp($0) }
            let total = weights.reduce(0, +)
            let chosenShare = weights.prefix(pair.chosen.count).reduce(0, +) / total
            deltas.append(2 * chosenShare - 1)
            let row = found[index]
            XCTAssertEqual(row["id"]?.int, index)
            XCTAssertEqual(row["delta"]?.double ?? 9, 2 * chosenShare - 1, accuracy: tolerance)
            let sentences = (row["chosen"]?.array ?? []) + (row["rejected"]?.array ?? [])
            XCTAssertEqual(sentences.map { $0["text"]?.string }, pair.chosen + pair.rejected)
            for (sentence, (score, weight)) in zip(sentences, zip(scores, weights)) {
                XCTAssertEqual(sentence["score"]?.double ?? 99, score, accuracy: tolerance)
                XCTAssertEqual(sentence["probability"]?.double ?? 9, weight / total, accuracy: tolerance)
            }
            XCTAssertEqual(row["flags"]?.array, [])
        }
        let mean = deltas.reduce(0, +) / 23
        XCTAssertEqual(summary.meanDelta, mean, accuracy: tolerance)
        XCTAssertEqual(summary.meanDeltaUsed, summary.meanDelta)
        func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
        for (row, delta) in zip(found, deltas) {
            XCTAssertEqual(
                row["alpha_data"]?.double ?? 9, sigmoid(delta) / sigmoid(mean), accuracy: tolerance)
        }
        XCTAssertEqual(summary.rowsScored, 23)
        let negative = deltas.count { $0 < 0 }
        XCTAssertTrue((1..<23).contains(negative))
        XCTAssertEqual(summary.rowsBelowZero, negative)
        XCTAssertEqual(summary.histogram.reduce(0, +), 23)
        XCTAssertEqual(summary.quantiles[3], deltas.sorted()[11], accuracy: tolerance)
        XCTAssertEqual(summary.chosenSubSentences, dataset.pairs.map(\.chosen.count).reduce(0, +))
        XCTAssertEqual(try bytes("scores.rejects.jsonl"), [])
        XCTAssertFalse(exists("scores.partial"), "the unfinished state is removed")
    }

    func testSummaryFileHoldsTheSummary() throws {
        try Dataset(count: 9).write(to: folder.path)
        let summary = try run(options())
        let json = try Files.readJSON(folder.path + "/scores.summary.json")
        XCTAssertEqual(json["mean_delta"]?.double, summary.meanDelta)
        XCTAssertEqual(json["delta"]?["below_zero"]?.int, try XCTUnwrap(summary.rowsBelowZero))
        XCTAssertEqual(json["settings"]?["model"]?.string, "angles")
        XCTAssertEqual(json["delta"]?["histogram"]?["edges"]?.array?.count, 41)
        XCTAssertEqual(json["output"]?["sha256"]?.string, SHA256.hex(of: try bytes("scores.jsonl")))
        let run = try Files.readJSON(folder.path + "/scores.run.json")
        XCTAssertGreaterThan(run["rows_per_second"]?.double ?? 0, 0)
    }

    /// Rows with embedded images get the scores of rows with paths.
    func testImagesInRowsAreImagesInFiles() throws {
        let dataset = Dataset(count: 20)
        try dataset.write(to: folder.path)
        try run(options("files.jsonl"))
        var lines = String(decoding: try bytes("pairs.jsonl"), as: UTF8.self)
        for image in 0..<dataset.imageCount {
            let base64 = Data(try bytes("image\(image).txt")).base64EncodedString()
            lines = lines.replacingOccurrences(
                of: "\"image\(image).txt\"", with: "{\"bytes\":\"\(base64)\",\"path\":null}")
        }
        try write(lines)
        try run(options("rows.jsonl"))
        XCTAssertEqual(try bytes("rows.jsonl"), try bytes("files.jsonl"))
    }

    func testAGivenMeanDeltaIsUsed() throws {
        try Dataset(count: 9).write(to: folder.path)
        var options = options()
        options.meanDelta = 0.0482190464911681
        let summary = try run(options)
        XCTAssertEqual(summary.meanDeltaUsed, 0.0482190464911681)
        for row in try rows() {
            let delta = try XCTUnwrap(row["delta"]?.double)
            let expected = (1 + exp(-0.0482190464911681)) / (1 + exp(-delta))
            XCTAssertEqual(row["alpha_data"]?.double ?? 9, expected, accuracy: 1e-14)
        }
    }

    func testDeltaFromScoresIsTheRatioOfSums() throws {
        try write("ANGLE 0", to: "a.txt")
        try write(#"{"image": "a.txt", "chosen": "x @0. y @0", "rejected": "z @1.0471975512"}"#)
        var options = options()
        options.deltaSource = .scores
        try run(options)
        // (10 + 10) / (10 · cos 60°) = 4
        XCTAssertEqual(try rows()[0]["delta"]?.double ?? 0, 4, accuracy: tolerance)
        let json = try Files.readJSON(folder.path + "/scores.summary.json")
        XCTAssertEqual(json["delta"]?["histogram"]?["counts"]?.array?.compactMap(\.int).reduce(0, +), 1)
    }

    func testAnArrayGivesTheSameAsLines() throws {
        let dataset = Dataset(count: 10)
        try dataset.write(to: folder.path)
        try run(options())
        let elements = try JSON.array(
            bytes("pairs.jsonl").split(separator: 0x0A).map { try JSON(parsing: $0) })
        try write(elements.text, to: "pairs.json")
        var options = options("other.jsonl")
        options.rows.data = folder.path + "/pairs.json"
        try run(options)
        XCTAssertEqual(try bytes("other.jsonl"), try bytes("scores.jsonl"))
    }

    func testSentencesAndImagesThatComeAgainAreComputedOnce() throws {
        try write("ANGLE 1", to: "a.txt")
        try write("ANGLE 1", to: "b.txt")
        try write("ANGLE 2", to: "c.txt")
        let row = { (image: String, text: String) in
            "{\"image\": \"\(image)\", \"chosen\": \"\(text) @1. u @2\", \"rejected\": \"u @2. v @3\"}\n"
        }
        try write(
            (0..<40).map { row(["a.txt", "b.txt", "c.txt"][$0 % 3], ["s", "t"][$0 % 2]) }.joined())
        let encoder = AngleEncoder()
        try run(options(), encoder: encoder)
        XCTAssertEqual(encoder.embedded.images, 2, "a.txt and b.txt hold the same bytes")
        XCTAssertEqual(encoder.embedded.texts, 4)
        var options = options("uncached.jsonl")
        options.cacheBytes = 0
        try run(options)
        XCTAssertEqual(try bytes("uncached.jsonl"), try bytes("scores.jsonl"))
    }

    func testFlags() throws {
        try write("ANGLE 1", to: "a.txt")
        let long = (0..<50).map { "w\($0)" }.joined(separator: " ")
        try write(
            """
            {"image": "a.txt", "chosen": "x @1.", "rejected": "x @1."}
            {"image": "a.txt", "chosen_sub_sentences": ["p @1", "q @2"], "rejected": "r."}
            {"image": "a.txt", "chosen": "x", "rejected_sub_sentences": ["s", "\(long). \(long)"]}
            """)
        let summary = try run(options())
        let found = try rows()
        XCTAssertEqual(found[0]["flags"]?.array, ["same_response"])
        XCTAssertEqual(found[0]["delta"]?.double, 0)
        XCTAssertEqual(found[1]["flags"]?.array, ["chosen_given"])
        XCTAssertEqual(found[1]["chosen"]?.array?.map { $0["text"]?.string }, ["p @1", "q @2"])
        XCTAssertEqual(found[2]["flags"]?.array, ["rejected_given", "rejected_divided"])
        XCTAssertEqual(found[2]["rejected"]?.array?.map { $0["text"]?.string }, ["s", long, long])
        XCTAssertEqual(
            summary.flags,
            ["same_response": 1, "chosen_given": 1, "rejected_given": 1, "rejected_divided": 1])
    }

    func testProgressEndsWithAllRows() throws {
        try Dataset(count: 23).write(to: folder.path)
        let seen = Recorder()
        try run(options()) { seen.append($0) }
        let all = seen.all
        XCTAssertEqual(Set(all.map(\.phase)), [.scanning, .computing, .writing])
        XCTAssertEqual(all.last?.rowsDone, 23)
        XCTAssertTrue(zip(all, all.dropFirst()).allSatisfy { $0.rowsDone <= $1.rowsDone })
    }
}

/// Collects progress.
final class Recorder: @unchecked Sendable {
    private let lock = NSLock()
    private var values: [JobProgress] = []
    var all: [JobProgress] { lock.withLock { values } }
    func append(_ value: JobProgress) { lock.withLock { values.append(value) } }
}
