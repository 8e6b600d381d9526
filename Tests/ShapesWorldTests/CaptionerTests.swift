import DamaSupport
import XCTest

@testable import ShapesWorld

final class CaptionerTests: XCTestCase {
    private let generator = SceneGenerator(seed: 31, split: .train)

    func testFaithfulCaptionsAreTrueAndComplete() {
        for index in 0..<1000 {
            let scene = generator.scene(index)
            var random = RandomGenerator(seed: 1, stream: UInt64(index))
            let verdict = Verdict(response: Captioner(hasHabits: false).caption(scene, &random), scene: scene)
            XCTAssertEqual(verdict.falseCount, 0)
            XCTAssertEqual(verdict.covered, scene.objects.count)
        }
    }

    /// Greedy decoding of a model that has learnt the habits perfectly applies each habit whose probability is above
    /// one half.
    func testHabitsOfEveryKindComeAndAboutHalfOfTheCaptionsErr() {
        var summary = JudgeSummary()
        for index in 0..<4000 {
            let scene = generator.scene(index)
            var random = RandomGenerator(seed: 2, stream: UInt64(index))
            let caption = Captioner(hasHabits: true).caption(scene, &random)
            summary.add(Verdict(response: caption, scene: scene), scene: scene)
        }
        XCTAssertEqual(summary.malformed, 0)
        XCTAssertEqual(summary.responseLevel, 0.5, accuracy: 0.1)
        XCTAssertLessThan(summary.coverage, 0.95)
        for kind in Hallucination.allCases { XCTAssertGreaterThan(summary.falseByKind[kind] ?? 0, 50, "\(kind)") }
    }
}
