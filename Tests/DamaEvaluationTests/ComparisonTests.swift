import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaEvaluation

/// Comparisons against numpy, scipy and statsmodels (Fixtures/make_comparison.py).
final class ComparisonTests: XCTestCase {
    private func fixture() throws -> JSON { try Fixtures.json("comparison.json") }

    private func line(_ id: JSON, _ runs: [[Double]], pass: Bool? = nil) -> ResultLine {
        ResultLine(
            id: id, isEmpty: false,
            runs: runs.map { AnswerScore(pass: pass, counts: ["words": $0[0], "right": $0[1]]) })
    }

    private func results() throws -> [ComparedResults] {
        func rows(_ json: JSON?) throws -> [[Double]] {
            try XCTUnwrap(json?.array).map { try XCTUnwrap($0.array).compactMap(\.double) }
        }
        let json = try fixture()["results"]
        let first = try rows(json?["first"])
        let second = try XCTUnwrap(json?["second"]?.array).map { try rows($0) }
        return [
            ComparedResults(name: "first", lines: first.enumerated().map { line(.int(Int64($0)), [$1]) }),
            // Ids as text, in another order: the order is that of the first result.
            ComparedResults(
                name: "second",
                lines: first.indices.reversed().map { index in line(.string("\(index)"), second.map { $0[index] }) }),
        ]
    }

    private func compare(
        _ results: [ComparedResults], _ bootstrap: PairedBootstrap = PairedBootstrap()
    ) throws -> EvaluationComparison {
        try EvaluationComparison(benchmark: "words", passName: "right", results, bootstrap) { counts in
            [Metric("share", counts["right"], over: counts["words"]), Metric("rare", 1, over: counts["rare"])]
        }
    }

    func testIntervalsEqualNumpysForTheSameResamples() throws {
        let json = try fixture()
        var bootstrap = PairedBootstrap()
        bootstrap.resamples = try XCTUnwrap(json["resamples"]?.int)
        bootstrap.seed = try XCTUnwrap(json["seed"]?.string.flatMap { UInt64($0) })
        bootstrap.confidence = 0.9
        for threads in [1, 3] {
            bootstrap.threads = threads
            let found = try compare(results(), bootstrap)
            XCTAssertEqual(found.questions, 60)
            XCTAssertEqual(found.results.map(\.runs), [1, 2])
            let row = found.rows[0]
            let estimates = row.values + row.differences.compactMap { $0 }
            let (values, intervals) = (json["values"]?.array ?? [], json["exact"]?.array ?? [])
            XCTAssertEqual(estimates.count, 3)
            for (estimate, (value, interval)) in zip(estimates, zip(values, intervals)) {
                // Sums of integers below 2^53, one division and interpolation.
                XCTAssertEqual(estimate.value ?? .nan, value.double ?? 0, accuracy: 1e-12)
                XCTAssertEqual(estimate.low ?? .nan, interval.array?[0].double ?? 0, accuracy: 1e-12)
                XCTAssertEqual(estimate.high ?? .nan, interval.array?[1].double ?? 0, accuracy: 1e-12)
                XCTAssertEqual(estimate.undefined, 0)
            }
        }
    }

    func testIntervalsAreScipysUpToTheResamples() throws {
        var bootstrap = PairedBootstrap()
        bootstrap.confidence = 0.9
        let row = try compare(results(), bootstrap).rows[0]
        let expected = try XCTUnwrap(fixture()["scipy"]?.array)
        for (estimate, interval) in zip(row.values + row.differences.compactMap { $0 }, expected) {
            // Standard deviations of about 4; the 5 % quantile of 10,000 draws has a standard error of 0.02 of them.
            XCTAssertEqual(estimate.low ?? .nan, interval.array?[0].double ?? 0, accuracy: 0.4)
            XCTAssertEqual(estimate.high ?? .nan, interval.array?[1].double ?? 0, accuracy: 0.4)
        }
    }

    func testMcNemarEqualsScipyAndStatsmodels() throws {
        for json in try XCTUnwrap(fixture()["mcnemar"]?.array) {
            let numbers = try XCTUnwrap(json.array)
            var test = McNemar()
            (test.onlyFirst, test.onlySecond) = (try XCTUnwrap(numbers[0].int), try XCTUnwrap(numbers[1].int))
            let p = try XCTUnwrap(numbers[2].double)
            // scipy's own error grows with the counts.
            XCTAssertEqual(test.pValue, p, accuracy: max(1e-12, 1e-11 * p), "\(json.text)")
            if p > 1e-280, p < 1 { XCTAssertEqual(test.pValue / p, 1, accuracy: 1e-9, "\(json.text)") }
        }
    }

    func testAMetricWithoutAValue() throws {
        let row = try compare(results()).rows[1]
        XCTAssertEqual(row.name, "rare")
        XCTAssertEqual(
            row.values, [.init(value: nil, low: nil, high: nil, undefined: 10_000), row.values[1]])
        XCTAssertNil(row.differences[0])
        XCTAssertNil(row.differences[1]?.value)
    }

    /// With few questions a resample may have no denominator.
    func testResamplesWithoutAValueAreCounted() throws {
        let lines = [line(1, [[1, 1]]), line(2, [[0, 0]])]
        let found = try compare([.init(name: "a", lines: lines), .init(name: "b", lines: lines)])
        let value = found.rows[0].values[0]
        XCTAssertEqual([value.value, value.low, value.high], [100, 100, 100])
        // Binomial with p = ¼: 2500 ± 5 · 43.
        XCTAssertEqual(Double(value.undefined), 2500, accuracy: 217)
        XCTAssertEqual(found.rows[0].differences[1]?.value, 0)
    }

    func testQuestionsThatOneResultLacksAreLeftOutAndNamed() throws {
        let passes: [(String, [Bool?])] = [
            ("a", [true, true, false, nil, true]), ("b", [true, false, true, false, nil]),
            ("c", [false, true, true, true, nil]),
        ]
        let results = passes.map { name, passes in
            ComparedResults(
                name: name,
                lines: passes.enumerated().compactMap { index, pass in
                    pass.map { line(.string("q\(index)"), [[1, $0 ? 1 : 0]], pass: $0) }
                })
        }
        let found = try compare(results)
        XCTAssertEqual(found.questions, 3)
        XCTAssertEqual(found.results.map(\.leftOut), [["\"q4\""], ["\"q3\""], ["\"q3\""]])
        XCTAssertEqual(found.results.map(\.answered), [4, 4, 4])
        XCTAssertEqual(
            found.tests,
            [
                .init(result: 1, both: 1, onlyFirst: 1, onlyOther: 1, neither: 0, pValue: 1),
                .init(result: 2, both: 1, onlyFirst: 1, onlyOther: 1, neither: 0, pValue: 1),
            ])
        XCTAssertTrue(
            found.text.contains(#"left out of b: 1 of 4 questions, which another result does not have: "q3""#))
        assertFails(.invalidArgument, "no question was answered in all of a, b") {
            _ = try self.compare([
                .init(name: "a", lines: [self.line(1, [[1, 1]])]), .init(name: "b", lines: [self.line(2, [[1, 1]])]),
            ])
        }
    }

    func testBadResultsAndOptionsAreNamed() throws {
        let good = ComparedResults(name: "good", lines: [line(1, [[1, 1]])])
        assertFails(.invalidArgument, "at least 2") { _ = try self.compare([good]) }
        assertFails(.invalidArgument, "twice has two lines for question \"1\"") {
            _ = try self.compare([
                good, .init(name: "twice", lines: [self.line(1, [[1, 1]]), self.line("1", [[1, 1]])]),
            ])
        }
        assertFails(.invalidArgument, "question 2 has 2 runs, the first question 1") {
            _ = try self.compare([
                good, .init(name: "runs", lines: [self.line(1, [[1, 1]]), self.line(2, [[1, 1], [1, 0]])]),
            ])
        }
        var bootstrap = PairedBootstrap()
        bootstrap.resamples = 0
        assertFails(.invalidArgument, "resamples is 0") { _ = try self.compare([good, good], bootstrap) }
        bootstrap.resamples = 10
        bootstrap.confidence = 1
        assertFails(.invalidArgument, "confidence is 1.0") { _ = try self.compare([good, good], bootstrap) }
        let stop = StopSignal()
        stop.stop()
        assertFails(.cancelled, "stopped") {
            _ = try EvaluationComparison(
                benchmark: "words", passName: nil, [good, good], PairedBootstrap(), stop: stop
            ) { _ in [] }
        }
    }

    // MARK: Forms

    private func twoResults() throws -> EvaluationComparison {
        func result(_ name: String, _ right: Int) -> ComparedResults {
            ComparedResults(
                name: name,
                lines: (0..<8).map { line(.int(Int64($0)), [[1, $0 < right ? 1 : 0]], pass: $0 < right) })
        }
        var bootstrap = PairedBootstrap()
        bootstrap.resamples = 200
        return try EvaluationComparison(
            benchmark: "<b>", passName: "right", [result("a,\"b\"", 3), result("<c>", 8)], bootstrap,
            discrepancies: [.init(setting: "judge", values: ["x", "y"])]
        ) { [Metric("share", $0["right"], over: $0["words"])] }
    }

    func testTheTextHasValuesDifferencesAndTheTest() throws {
        let lines = try twoResults().text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        XCTAssertEqual(
            lines[0],
            "<b>: 8 questions, 95 % percentile intervals from 200 resamples of the questions (seed 0); "
                + "differences to a,\"b\"")
        func words(_ line: String) -> [String] { line.split(separator: " ").map(String.init) }
        XCTAssertEqual(words(lines[3]).prefix(3), ["share", "a,\"b\"", "37.500"])
        XCTAssertEqual(words(lines[4]).prefix(5), ["<c>", "100.000", "[100.000,", "100.000]", "+62.500"])
        XCTAssertEqual(lines[3].firstRange(of: "37.500")?.upperBound, lines[4].firstRange(of: "100.000")?.upperBound)
        // 5 discordant questions, all for the second: 2 / 2^5.
        XCTAssertEqual(
            lines[6],
            "right: a,\"b\" 37.5 %, <c> 100.0 %; only a,\"b\" 0, only <c> 5, McNemar's exact test p = 0.0625")
        XCTAssertEqual(lines[7], "different judge: a,\"b\" x, <c> y")
    }

    func testTheTableAndTheObjectHaveTheExactNumbers() throws {
        let found = try twoResults()
        let lines = found.csv.split(separator: "\n").map(String.init)
        XCTAssertEqual(lines.count, 4)
        XCTAssertTrue(lines[1].hasPrefix(#"share,"a,""b""",37.5,"#), lines[1])
        XCTAssertTrue(lines[1].hasSuffix(",,,,,,"), lines[1])
        XCTAssertEqual(lines[3], "right,<c>,1.0,,,0.625,,,0,5,0.0625")
        let json = try JSON(parsing: found.jsonText.utf8)
        XCTAssertEqual(json["metrics"]?.array?[0]["differences"]?.array?[1]["value"]?.double, 62.5)
        XCTAssertEqual(json["metrics"]?.array?[0]["differences"]?.array?[0], .null)
        XCTAssertEqual(json["mcnemar"]?.array?[0]["p"]?.double, 0.0625)
        XCTAssertEqual(json["discrepancies"]?.array?[0]["setting"], "judge")
    }

    func testThePageEscapesNamesAndDrawsDifferences() throws {
        let page = try twoResults().page
        XCTAssertTrue(page.contains("<h1>&lt;b&gt;</h1>"))
        XCTAssertTrue(page.contains("<td>&lt;c&gt;</td><td>100.000</td>"))
        XCTAssertFalse(page.contains("<c>"))
        XCTAssertEqual(page.components(separatedBy: "<svg").count, 2)
        XCTAssertTrue(page.contains("class=\"apart\""))
        XCTAssertFalse(page.contains("http"))
    }
}
