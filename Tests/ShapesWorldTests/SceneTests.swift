import DamaSupport
import XCTest

@testable import ShapesWorld

final class SceneTests: XCTestCase {
    private func scenes(_ split: Split, _ count: Int, seed: UInt64 = 3) -> [Scene] {
        let generator = SceneGenerator(seed: seed, split: split)
        return (0..<count).map { generator.scene($0) }
    }

    func testScenesHaveOneToFiveObjectsThatDifferInPlaceAndInColorAndShape() {
        var counts = Set<Int>()
        for scene in scenes(.train, 2000) {
            counts.insert(scene.objects.count)
            XCTAssertEqual(Set(scene.objects.map(\.place)).count, scene.objects.count)
            XCTAssertEqual(Set(scene.objects.map(\.reference)).count, scene.objects.count)
        }
        XCTAssertEqual(counts, [1, 2, 3, 4, 5])
    }

    func testSplitsShareNoLayout() {
        var owner: [[SceneObject]: Split] = [:]
        for split in Split.allCases {
            for scene in scenes(split, 3000) {
                XCTAssertEqual(owner[scene.objects] ?? split, split)
                owner[scene.objects] = split
            }
        }
    }

    func testASceneDependsOnSeedSplitAndIndexAlone() {
        let generator = SceneGenerator(seed: 9, split: .test)
        let late = generator.scene(17)
        _ = generator.scene(3)
        XCTAssertEqual(generator.scene(17), late)
        XCTAssertNotEqual(generator.scene(18), late)
        XCTAssertNotEqual(SceneGenerator(seed: 10, split: .test).scene(17), late)
    }

    func testAllAttributesOccur() {
        let objects = scenes(.train, 500).flatMap(\.objects)
        XCTAssertEqual(Set(objects.map(\.shape)).count, 6)
        XCTAssertEqual(Set(objects.map(\.color)).count, 8)
        XCTAssertEqual(Set(objects.map(\.size)).count, 2)
        XCTAssertEqual(Set(objects.map(\.place)).count, 9)
    }

    func testSceneSurvivesItsJSON() throws {
        for scene in scenes(.validation, 50) {
            XCTAssertEqual(try Scene(json: JSON(parsing: scene.json.text)).objects, scene.objects)
        }
        XCTAssertThrowsError(try Scene(json: [[0, 99, 0, 0]]))
        XCTAssertThrowsError(try Scene(json: "scene"))
    }
}
