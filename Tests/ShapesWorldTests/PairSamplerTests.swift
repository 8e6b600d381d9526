import DamaSupport
import XCTest

@testable import ShapesWorld

final class PairSamplerTests: XCTestCase {
    private let scene = Scene(objects: [
        SceneObject(shape: .circle, color: .red, size: .large, place: .topLeft),
        SceneObject(shape: .star, color: .blue, size: .small, place: .bottomRight),
        SceneObject(shape: .ring, color: .green, size: .small, place: .center),
    ])
    private let circle = "There is a large red circle at the top left."
    private let star = "There is a small blue star at the bottom right."
    private let ring = "There is a small green ring at the centre."
    private let falseShape = "There is a large red square at the top left."
    private let falsePlace = "There is a small blue star at the centre."

    private func question(_ id: Int, _ responses: [String]) -> PairSampler.Question {
        .init(id: .int(Int64(id)), image: "images/\(id).jpg", text: "What is it?", scene: scene, responses: responses)
    }

    private func sampler(flips: Double = 0) -> PairSampler {
        var sampler = PairSampler()
        sampler.flips = flips
        return sampler
    }

    private func texts(_ responses: [String]) -> [String]? {
        let judged = responses.map { JudgedResponse($0, scene: scene) }
        let pair = SampledPair(id: 0, image: "", question: "", scene: scene, responses: judged)
        return pair.map { [$0.chosen.text, $0.rejected.text] }
    }

    func testTheBestStandsAgainstTheWorst() {
        let half = circle + " " + falsePlace
        XCTAssertEqual(texts([half, circle + " " + star, falseShape]), [circle + " " + star, falseShape])
        XCTAssertEqual(texts([half, falseShape]), [half, falseShape])
        // Shares count, not totals: one false of two is worse than one of three.
        let third = "\(circle) \(star) \(falsePlace)"
        XCTAssertEqual(texts([half, third]), [third, half])
    }

    func testOfEquallyGoodOnesThoseClosestInLengthAreTaken() {
        let long = "\(circle) \(star) \(ring)"
        XCTAssertEqual(texts([long, circle, falseShape]), [circle, falseShape])
        XCTAssertEqual(texts([long, circle, "\(falseShape) \(falsePlace)"]), [circle, "\(falseShape) \(falsePlace)"])
        // 10 words against 10 beat 29 against 19.
        XCTAssertEqual(texts([long, circle, "\(falseShape) \(falsePlace)", falseShape]), [circle, falseShape])
    }

    func testMalformedAndEmptyResponsesTakeNoPart() {
        XCTAssertNil(texts([circle, "There is a dog at the top left.", "", " "]))
        XCTAssertNil(texts([circle, "\(falseShape) There is a"]))
        XCTAssertNil(texts([circle, star]), "judged alike")
        XCTAssertNil(texts([falseShape, falsePlace]), "judged alike")
        XCTAssertNil(texts([circle]))
        XCTAssertNil(texts([]))
        XCTAssertEqual(texts(["", circle, "a dog", falseShape]), [circle, falseShape])
    }

    func testRowAndTruth() throws {
        let (pairs, statistics) = sampler().pairs(of: [
            question(7, [circle, falseShape, "", "A dog."]), question(8, [circle, star]),
        ])
        let pair = try XCTUnwrap(pairs.first)
        XCTAssertEqual(pairs.count, 1)
        XCTAssertEqual(
            pair.row,
            [
                "idx": 7, "image": "images/7.jpg", "question": "What is it?", "chosen": .string(circle),
                "rejected": .string(falseShape),
            ])
        XCTAssertEqual(pair.truth["kind"], "shape")
        XCTAssertEqual(pair.truth["amount"], 1)
        XCTAssertEqual(pair.truth["share_difference"]?.double, 1)
        XCTAssertEqual(pair.truth["flipped"], false)
        XCTAssertEqual(
            [
                statistics.questions, statistics.responses, statistics.empty, statistics.malformed,
                statistics.undecided, statistics.unbalanced, statistics.pairs, statistics.flipped,
            ], [2, 6, 1, 1, 1, 0, 1, 0])
        XCTAssertEqual(statistics.chosenWords, 10)
        XCTAssertEqual(statistics.chosenFalseShare, 0)
        XCTAssertEqual(statistics.rejectedFalseShare, 1)
        // The report on hardness reads the result.
        XCTAssertEqual(
            try HardnessReport(scores: [["id": 7, "delta": 0.5]], truth: [pair.truth]).cells(kind: "shape")[0]?.mean,
            0.5)

        let flipped = sampler(flips: 1).pairs(of: [question(7, [circle, falseShape])]).pairs[0]
        XCTAssertEqual([flipped.chosen.text, flipped.rejected.text], [falseShape, circle])
        XCTAssertEqual(flipped.truth["share_difference"]?.double, -1)
        XCTAssertEqual(flipped.truth["flipped"], true)
        XCTAssertEqual(flipped.truth["kind"], "none")
    }

    /// Before balancing, chosen responses are longer in three of four pairs.
    private func biased(_ count: Int) -> [PairSampler.Question] {
        var random = RandomGenerator(seed: 5)
        return (0..<count).map { index in
            let long = "\(circle) \(random.uniform() < 0.5 ? ring : star)"
            return random.uniform() < 0.75
                ? question(index, [long, falseShape]) : question(index, [circle, "\(falseShape) \(falsePlace)"])
        }
    }

    func testLengthDoesNotTellTheSidesApart() {
        let questions = biased(2000)
        let (pairs, statistics) = sampler(flips: 0.05).pairs(of: questions)
        var signs: [Int: Int] = [:]
        for pair in pairs { signs[abs(pair.wordDifference), default: 0] += pair.wordDifference.signum() }
        XCTAssertTrue(signs.values.allSatisfy { $0 == 0 }, "\(signs)")
        XCTAssertEqual(statistics.chosenWords, statistics.rejectedWords, accuracy: 1e-9)
        XCTAssertEqual(statistics.pairs + statistics.unbalanced, 2000)
        // Only the excess is left out: about a quarter of the pairs belong to the scarcer side, and twice that is kept.
        // Flipped labels change it to .275; four standard deviations of the count are 160.
        XCTAssertEqual(Double(pairs.count), 1100, accuracy: 160)
        // In the order of the questions, and reproducible.
        XCTAssertEqual(pairs.map { $0.id.int ?? -1 }, pairs.map { $0.id.int ?? -1 }.sorted())
        XCTAssertEqual(sampler(flips: 0.05).pairs(of: questions).pairs, pairs)
    }

    func testAboutOneLabelInTwentyIsWrongAndMoreQuestionsChangeNone() {
        let questions = (0..<4000).map { question($0, [circle, falseShape]) }
        let all = sampler(flips: 0.05).pairs(of: questions).pairs
        // Binomial: mean 200, standard deviation 13.8; four of them.
        XCTAssertEqual(Double(all.count { $0.isFlipped }), 200, accuracy: 55)
        XCTAssertEqual(sampler(flips: 0.05).pairs(of: Array(questions[..<100])).pairs, Array(all[..<100]))
        var other = sampler(flips: 0.05)
        other.seed = 1
        XCTAssertNotEqual(other.pairs(of: questions).pairs, all)
    }

    func testAJudgeErrsOnHardPairs() {
        // Differences of 1 and of 1/2, in turn.
        let questions = (0..<4000).map { index in
            question(
                index,
                index % 2 == 0 ? [circle, falseShape] : ["\(circle) \(falsePlace)", "\(falseShape) \(falsePlace)"])
        }
        var judge = sampler(flips: 0.25)
        judge.noise = .hard
        let pairs = judge.pairs(of: questions).pairs
        XCTAssertEqual(pairs.count, 4000)
        XCTAssertFalse(pairs.contains { $0.isFlipped && abs($0.shareDifference) == 1 })
        // Half of the hard half: binomial, mean 1000, standard deviation 22.4; four of them.
        XCTAssertEqual(Double(pairs.count { $0.isFlipped }), 1000, accuracy: 90)
    }

    func testAJudgeThatPrefersLength() {
        var judge = sampler(flips: 0.2)
        judge.noise = .length
        let (pairs, statistics) = judge.pairs(of: biased(2000))
        // Before the judge errs, lengths are balanced: half of the chosen responses are the shorter ones, and of those
        // two fifths become wrong. Four standard deviations of a share of about 1000 pairs are 0.05.
        XCTAssertEqual(Double(statistics.flipped) / Double(pairs.count), 0.2, accuracy: 0.05)
        XCTAssertTrue(pairs.allSatisfy { !$0.isFlipped || $0.wordDifference > 0 })
        let longer = pairs.count { $0.wordDifference > 0 }
        XCTAssertEqual(Double(longer) / Double(pairs.count), 0.7, accuracy: 0.05)
        XCTAssertGreaterThan(statistics.chosenWords, statistics.rejectedWords + 1)
    }

    func testResponsesOfAnyShapeAreRead() throws {
        for (line, field, expected) in [
            (["id": 3, "responses": ["a", "b"], "finish": ["stop", "stop"]], nil, ["a", "b"]),
            (["idx": 3, "response": "a"], nil, ["a"]), (["id": "3", "text": "c", "response": "a"], "text", ["c"]),
        ] as [(JSON, String?, [String])] {
            let (id, texts) = try ResponseTable.texts(of: line, field: field, path: "file")
            XCTAssertEqual(SceneTable.key(id), "3")
            XCTAssertEqual(texts, expected)
        }
        for line in [["id": 3], ["response": "a"], ["id": 3, "responses": ["a", 4]]] as [JSON] {
            XCTAssertThrowsError(try ResponseTable.texts(of: line, field: nil, path: "file"))
        }
    }
}
