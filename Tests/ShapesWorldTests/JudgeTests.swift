import DamaSupport
import XCTest

@testable import ShapesWorld

final class JudgeTests: XCTestCase {
    private let generator = SceneGenerator(seed: 21, split: .train)

    /// The templates write sentences; the parser, which does not know the templates, reads them.
    func testEveryTrueSentenceIsReadBackAndJudgedTrue() {
        for index in 0..<3000 {
            let scene = generator.scene(index)
            var random = RandomGenerator(seed: 1, stream: UInt64(index))
            let unplaced = scene.objects.map {
                Fact.object(shape: $0.shape, color: $0.color, size: $0.size, place: nil)
            }
            for fact in scene.objects.map({ Fact.object($0) }) + scene.relations + unplaced {
                let sentence = SentenceTemplates.sentence(fact, &random)
                XCTAssertEqual(SentenceParser.parse(sentence), fact, sentence)
                XCTAssertTrue(fact.holds(in: scene), sentence)
                XCTAssertNil(scene.diagnosis(of: fact), sentence)
                XCTAssertEqual(SentenceParser.sentences(sentence), [sentence])
            }
        }
    }

    func testEveryFalsehoodIsJudgedFalseAndToldByItsKind() {
        var seen: [Hallucination: Int] = [:]
        for index in 0..<3000 {
            let scene = generator.scene(index)
            var random = RandomGenerator(seed: 2, stream: UInt64(index))
            for kind in Hallucination.allCases {
                guard let object = random.pick(scene.objects),
                    let fact = scene.falsehood(kind, about: object, &random)
                else { continue }
                let sentence = SentenceTemplates.sentence(fact, &random)
                XCTAssertEqual(SentenceParser.parse(sentence), fact, sentence)
                XCTAssertFalse(fact.holds(in: scene), "\(kind): \(sentence) \(scene.objects)")
                XCTAssertEqual(scene.diagnosis(of: fact), kind, "\(sentence) \(scene.objects)")
                seen[kind, default: 0] += 1
            }
        }
        for kind in Hallucination.allCases { XCTAssertGreaterThan(seen[kind] ?? 0, 1000, "\(kind)") }
    }

    func testAllTemplatesAndPhrasesAreRead() {
        var random = RandomGenerator(seed: 3)
        var texts = Set<String>()
        let fact = Fact.relation(
            Reference(color: .orange, shape: .star), .leftOf, Reference(color: .white, shape: .ring))
        for _ in 0..<500 { texts.insert(SentenceTemplates.sentence(fact, &random)) }
        XCTAssertEqual(texts.count, SentenceTemplates.relations.count * 2)
        XCTAssertTrue(texts.contains("An orange star is to the left of a white ring."))
        for text in texts { XCTAssertEqual(SentenceParser.parse(text), fact) }
    }

    func testWhatIsNoSentenceOfTheWorldIsMalformed() {
        for text in [
            "", "There is a.", "There is a red.", "A dog is at the top left.", "There is a red blue circle.",
            "There is a red circle and a blue star.", "The red circle is left of.", "There is a red circle at the top.",
            "A large small red circle is at the centre.", "The circle red is at the centre.",
            "The red circle at the top left is left of the blue star.",
        ] {
            XCTAssertNil(SentenceParser.parse(text), text)
        }
    }

    func testVerdictCountsMentionsCoverageAndWords() {
        let scene = Scene(objects: [
            SceneObject(shape: .circle, color: .red, size: .large, place: .topLeft),
            SceneObject(shape: .star, color: .blue, size: .small, place: .bottomRight),
            SceneObject(shape: .ring, color: .green, size: .small, place: .center),
        ])
        let verdict = Verdict(
            response: "There is a large red circle at the top left. The red circle is below the blue star. "
                + "A small green square is at the centre. Nothing else is here", scene: scene)
        XCTAssertEqual(verdict.mentions.map(\.isTrue), [true, false, false, false])
        XCTAssertEqual(verdict.malformedCount, 1)
        XCTAssertEqual(verdict.falseCount, 3)
        XCTAssertEqual(verdict.covered, 1)
        XCTAssertEqual(verdict.words, 30)
        XCTAssertEqual(verdict.falseShare, 0.75)

        var summary = JudgeSummary()
        summary.add(verdict, scene: scene)
        summary.add(Verdict(response: "The blue star is right of the red circle.", scene: scene), scene: scene)
        summary.add(Verdict(response: " ", scene: scene), scene: scene)
        XCTAssertEqual(summary.responseLevel, 2 / 3, accuracy: 1e-12)
        XCTAssertEqual(summary.mentionLevel, 2 / 5, accuracy: 1e-12)
        XCTAssertEqual(summary.coverage, (1 / 3 + 2 / 3 + 0) / 3, accuracy: 1e-12)
        XCTAssertEqual(summary.falseByKind, [.relation: 1, .shape: 1])
        XCTAssertEqual(summary.empty, 1)
    }
}
