import DamaTestSupport
import JobTestSupport
import XCTest

@testable import Dama

/// The page that `report` names: its numbers from the lines of the output, and when it is written.
final class ScorePageTests: JobTestCase {
    private var page: String { folder.path + "/page.html" }

    private func options(report: String, _ output: String = "scores.jsonl") -> ScoreOptions {
        var options = self.options(output)
        options.report = report
        return options
    }

    private func text(_ path: String? = nil) throws -> String {
        String(decoding: try Files.read(path ?? page), as: UTF8.self)
    }

    /// The bars of a histogram: the text of each, as `low to high: count`.
    private func bars(_ svg: Substring) -> [(low: Double, high: Double, count: Int)] {
        svg.components(separatedBy: "<title>").dropFirst().compactMap { part in
            let text = part.components(separatedBy: "</title>")[0].replacingOccurrences(of: "−", with: "-")
            let numbers = text.replacingOccurrences(of: " to ", with: ":").components(separatedBy: ":")
            guard numbers.count == 3, let low = Double(numbers[0]), let high = Double(numbers[1]),
                let count = Int(numbers[2].trimmingCharacters(in: .whitespaces))
            else { return nil }
            return (low, high, count)
        }
    }

    func testTheHistogramsAreThoseOfTheLines() throws {
        try Dataset(count: 200, seed: 3).write(to: folder.path)
        let summary = try run(options(report: page))
        let rows = try rows()
        let deltas = try rows.map { try XCTUnwrap($0["delta"]?.double) }
        let alphas = try rows.map { try XCTUnwrap($0["alpha_data"]?.double) }
        let charts = try text().components(separatedBy: "<svg ").dropFirst().map { Substring($0) }
        XCTAssertEqual(charts.count, 2)
        // Forty bins of equal width from −1 to 1; those without rows have no bar.
        let bins = Dictionary(grouping: deltas) { min(39, Int((($0 + 1) * 20).rounded(.down))) }
        let found = bars(charts[0])
        XCTAssertEqual(found.map(\.count), bins.keys.sorted().map { bins[$0]?.count ?? 0 })
        for (bar, bin) in zip(found, bins.keys.sorted()) {
            // Printed with two digits.
            XCTAssertEqual(bar.low, -1 + 0.05 * Double(bin), accuracy: 0.006)
            XCTAssertEqual(bar.high, -1 + 0.05 * Double(bin + 1), accuracy: 0.006)
        }
        XCTAssertEqual(charts[0].components(separatedBy: "class=\"marked\"").count - 1, bins.keys.count { $0 < 20 })
        // α_D over the edges of the bins of δ, by Eq. (7).
        func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
        let mean = deltas.reduce(0, +) / 200
        let edges = (1...39).map { sigmoid(-1 + 0.05 * Double($0)) / sigmoid(mean) }
        let counts = (0..<40).map { bin in alphas.count { alpha in edges.count { $0 <= alpha } == bin } }
        XCTAssertEqual(bars(charts[1]).map(\.count), counts.filter { $0 > 0 })
        XCTAssertEqual(summary.rowsBelowZero, deltas.count { $0 < 0 })
    }

    func testTheShareTheThirdsAndTheQuantiles() throws {
        var bounds = 0
        for seed: UInt64 in 1...4 {
            try Dataset(count: 50, seed: seed).write(to: folder.path)
            let summary = try run(options(report: page, "scores\(seed).jsonl"))
            let sorted = try rows("scores\(seed).jsonl").map { try XCTUnwrap($0["delta"]?.double) }.sorted()
            // Row p of the order is in the third 3p / 50: rows 0 to 16, 17 to 33, 34 to 49.
            XCTAssertEqual(summary.thirds, [sorted[16], sorted[33]])
            let html = try text()
            let below = sorted.count { $0 < 0 }
            let share = ScorePage.number(100 * Double(below) / 50, digits: 1)
            XCTAssertTrue(html.contains("δ is below 0 in \(below) of 50 pairs, <b>\(share) %</b>"), html)
            XCTAssertEqual(html.contains("at most \(share) % of the labels"), below <= 25)
            XCTAssertEqual(html.contains("more than half of the pairs"), below > 25)
            bounds += below <= 25 ? 1 : 0
            for (name, count, low, high) in [("hard", 17, 0, 16), ("middle", 17, 16, 33), ("easy", 16, 33, 49)] {
                let ends = [sorted[low], sorted[high]].map { ScorePage.number($0) }
                XCTAssertTrue(
                    html.contains("<td>\(name)</td><td>\(count)</td><td>\(ends[0]) to \(ends[1])</td>"), name)
            }
            // The median is the mean of the two rows in the middle.
            let median = (sorted[24] + sorted[25]) / 2
            let alpha = (1 + exp(-summary.meanDelta)) / (1 + exp(-median))
            XCTAssertTrue(
                html.contains(
                    "<td>50 %</td><td>\(ScorePage.number(median))</td><td>\(ScorePage.number(alpha))</td>"
                        + "<td>\(ScorePage.number(0.1 * alpha, digits: 4))</td>"), html)
        }
        XCTAssertTrue((1..<4).contains(bounds), "both cases occur")
    }

    /// The ends of Wilson's interval are the shares p with (p̂ − p)² = z² p (1 − p) / n.
    func testTheIntervalIsWilsons() throws {
        for (count, total) in [(0, 7), (3, 10), (295, 1706), (10, 10)] {
            let interval = ScorePage.interval(count, of: total)
            let share = Double(count) / Double(total)
            XCTAssertTrue(interval.low <= share + 1e-12 && share <= interval.high + 1e-12)
            for end in [interval.low, interval.high] {
                let bound = 1.959963984540054 * 1.959963984540054 * end * (1 - end) / Double(total)
                XCTAssertEqual((share - end) * (share - end), bound, accuracy: 1e-12)
            }
        }
        // 3 of 10: 0.1078 to 0.6032 (Brown, Cai and DasGupta's formula by hand).
        XCTAssertEqual(ScorePage.interval(3, of: 10).low, 0.1078, accuracy: 5e-5)
        XCTAssertEqual(ScorePage.interval(3, of: 10).high, 0.6032, accuracy: 5e-5)
    }

    func testAFinishedJobWritesTheSamePageAgain() throws {
        try Dataset(count: 21).write(to: folder.path, bad: true)
        try run(options())
        XCTAssertFalse(exists("page.html"))
        XCTAssertTrue(try run(options(report: page)).wasComplete)
        let first = try bytes("page.html")
        try run(options(report: folder.path + "/fresh.html", "fresh.jsonl"))
        XCTAssertEqual(try bytes("fresh.html"), first)
        try run(options(report: page))
        XCTAssertEqual(try bytes("page.html"), first)
        let html = String(decoding: first, as: UTF8.self)
        XCTAssertTrue(html.hasPrefix("<!doctype html>") && html.hasSuffix("</html>\n"))
        XCTAssertFalse(html.contains("http") || html.contains("src="), "the page is self-contained")
    }

    /// A page of other rows is replaced, as a job's other results are; no other file is.
    func testOnlyAPageIsReplaced() throws {
        try Dataset(count: 9).write(to: folder.path)
        try run(options(report: page))
        let first = try bytes("page.html")
        try Dataset(count: 8, seed: 9).write(to: folder.path)
        try run(options(report: page, "other.jsonl"))
        XCTAssertNotEqual(try bytes("page.html"), first)
        for other in ["", "mine", "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>mine</title>"]
        {
            try write(other, to: "page.html")
            for restart in [false, true] {
                var job = options(report: page, "third.jsonl")
                job.rows.restart = restart
                assertFails(.invalidArgument, "page.html exists and is not replaced") { try run(job) }
            }
            XCTAssertEqual(try text(), other)
        }
        XCTAssertFalse(exists("third.jsonl"))
    }

    func testUnsuitablePagesAreRefusedBeforeAnyWork() throws {
        try Dataset(count: 3).write(to: folder.path)
        for (name, code, text) in [
            ("scores.jsonl", DamaError.Code.invalidArgument, "is one of the job's results"),
            ("./scores.summary.json", .invalidArgument, "is one of the job's results"),
            ("scores.run.json", .invalidArgument, "is one of the job's results"),
            ("scores.partial/page.html", .invalidArgument, "which the job removes"),
            ("none/page.html", .io, "there is no folder"), ("pairs.jsonl", .invalidArgument, "is the dataset itself"),
        ] {
            assertFails(code, text) { try run(options(report: "\(folder.path)/\(name)")) }
            XCTAssertFalse(exists("scores.jsonl") || exists("scores.partial"), name)
        }
    }

    func testARatioOfScoresSaysNothingAboutLabels() throws {
        try Dataset(count: 30).write(to: folder.path)
        var job = options(report: page)
        job.deltaSource = .scores
        try run(job)
        let html = try text()
        XCTAssertTrue(html.contains("the ratio of the summed scores"))
        XCTAssertFalse(html.contains("below 0") || html.contains("class=\"marked\""))
        XCTAssertEqual(html.components(separatedBy: "<svg ").count, 3)
    }

    func testTextsAreEscaped() throws {
        var summary = ScoreSummary(rows: 4)
        summary.rowsScored = 3
        summary.rowsRejected = 1
        (summary.smallestDelta, summary.largestDelta) = (-0.5, 0.5)
        summary.histogram = [2, 1]
        summary.quantiles = Array(repeating: 0, count: ScoreSummary.quantileLevels.count)
        summary.flags = ["<b>": 2]
        summary.rejectedByKind = ["a&b": 1]
        summary.rowsBelowZero = 2
        let html = ScorePage(summary, ScoreOptions(data: "in/<i>\".jsonl", output: "out")).text
        XCTAssertTrue(html.contains("<h1>Hardness of &lt;i&gt;&quot;.jsonl</h1>"))
        XCTAssertTrue(html.contains("<td>flag &lt;b&gt;</td><td>2</td>"))
        XCTAssertTrue(html.contains("<td>rejected: a&amp;b</td><td>1</td>"))
        XCTAssertFalse(html.contains("<b>\u{22}") || html.contains("<i>"))
        XCTAssertTrue(html.contains("more than half of the pairs"), "2 of 3")
        // The summary of an earlier version has neither.
        summary.rowsBelowZero = nil
        let old = ScorePage(summary, ScoreOptions(data: "", output: "")).text
        XCTAssertFalse(old.contains("Are labels wrong") || old.contains("Thirds"))
    }
}
