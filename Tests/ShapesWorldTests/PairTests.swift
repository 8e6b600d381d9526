import DamaSupport
import DamaTestSupport
import XCTest

@testable import ShapesWorld

final class PairTests: XCTestCase {
    private let generator = PairGenerator(scenes: SceneGenerator(seed: 7, split: .preference))

    /// The judge finds in the text what was planted.
    func testTheJudgeFindsWhatWasPlanted() {
        var kinds: [String: Int] = [:]
        for index in 0..<2000 {
            let pair = generator.pair(index)
            for response in [pair.chosen, pair.rejected] {
                let verdict = Verdict(response: response.text, scene: pair.scene)
                XCTAssertEqual(verdict.mentions.compactMap(\.fact), response.facts)
                XCTAssertEqual(verdict.falseCount, response.planted.count, response.text)
                let found = response.facts.compactMap { pair.scene.diagnosis(of: $0)?.rawValue }
                XCTAssertEqual(found.sorted(), response.planted.map(\.rawValue).sorted(), response.text)
                XCTAssertEqual(Set(response.facts).count, response.facts.count, response.text)
            }
            XCTAssertGreaterThan(pair.shareDifference, 0)
            XCTAssertEqual(pair.scene.split, .preference)
            XCTAssertEqual(pair.chosen.facts.count, pair.rejected.facts.count)
            kinds[pair.truth["kind"]?.string ?? "", default: 0] += 1
        }
        XCTAssertEqual(Set(kinds.keys), Set(Hallucination.allCases.map(\.rawValue) + ["mixed"]))
        for (kind, count) in kinds { XCTAssertGreaterThan(count, 100, kind) }
    }

    func testPairsAreReproducible() {
        XCTAssertEqual(generator.pair(5).row(image: "x"), generator.pair(5).row(image: "x"))
        XCTAssertNotEqual(generator.pair(5).chosen, generator.pair(6).chosen)
    }

    func testSpearmanEqualsSciPy() throws {
        for item in try Fixtures.json("spearman.json").array ?? [] {
            let a = (item["a"]?.array ?? []).compactMap(\.double)
            let b = (item["b"]?.array ?? []).compactMap(\.double)
            XCTAssertEqual(RankCorrelation.ranks(a), (item["ranks"]?.array ?? []).compactMap(\.double))
            let rho = try XCTUnwrap(RankCorrelation.spearman(a, b))
            // Sums of a few hundred products of ranks, in double.
            XCTAssertEqual(rho, try XCTUnwrap(item["rho"]?.double), accuracy: 1e-12)
        }
        XCTAssertNil(RankCorrelation.spearman([1, 1], [1, 2]))
        XCTAssertNil(RankCorrelation.spearman([1], [2]))
        XCTAssertNil(RankCorrelation.spearman([1, 2, 3], [1, 2]))
    }

    func testReportJoinsScoresWithTruth() throws {
        let truth: [JSON] = [
            ["idx": 0, "kind": "color", "amount": 1, "share_difference": 0.25],
            ["idx": 1, "kind": "color", "amount": 5, "share_difference": 1],
            ["idx": 2, "kind": "absent", "amount": 2, "share_difference": 0.5],
            ["idx": 3, "kind": "absent", "amount": 2, "share_difference": 0.5],
        ]
        let scores: [JSON] = [
            ["id": "2", "delta": 0.25], ["id": 0, "delta": -0.125], ["id": "1", "delta": 0.75],
            ["id": "9", "delta": 1],
        ]
        let report = try HardnessReport(scores: scores, truth: truth)
        XCTAssertEqual(report.rows.count, 3)
        XCTAssertEqual(report.rho ?? 0, 1, accuracy: 1e-12)
        XCTAssertEqual(report.cells(kind: "color").map { $0?.mean }, [-0.125, nil, nil, 0.75])
        XCTAssertTrue(report.text.contains("-0.125 (1)"), report.text)
    }

    func testNumbersAreWrittenWithFixedDigits() {
        XCTAssertEqual((-0.0004).fixed(3), "0.000")
        XCTAssertEqual((-1.25).fixed(1), "-1.3")
        XCTAssertEqual(12.0.fixed(0), "12")
        XCTAssertEqual(0.056.fixed(2), "0.06")
    }
}
