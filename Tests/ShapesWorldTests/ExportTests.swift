import DamaImage
import DamaSupport
import Foundation
import XCTest

@testable import ShapesWorld

final class ExportTests: XCTestCase {
    private var folder = ""

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "shapes-world-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder + "/images", withIntermediateDirectories: true)
    }

    override func tearDownWithError() throws { try FileManager.default.removeItem(atPath: folder) }

    func testPairsAreReadBackFromTheirFolder() throws {
        let generator = PairGenerator(scenes: SceneGenerator(seed: 1, split: .preference))
        try PairExport(generator: generator, renderer: Renderer(side: 64)).write(count: 5, to: folder)
        let rows = try JSONLines.read(folder + "/pairs.jsonl")
        let truth = try JSONLines.read(folder + "/truth.jsonl")
        XCTAssertEqual(rows.compactMap { $0["idx"]?.int }, [0, 1, 2, 3, 4])
        for (index, (row, line)) in zip(rows, truth).enumerated() {
            let pair = generator.pair(index)
            XCTAssertEqual(row["chosen"]?.string, pair.chosen.text)
            XCTAssertEqual(row["rejected"]?.string, pair.rejected.text)
            XCTAssertNil(row["objects"], "the truth must not be in the file that a model may see")
            XCTAssertEqual(try Scene(json: try XCTUnwrap(line["objects"])).objects, pair.scene.objects)
            XCTAssertEqual(line["share_difference"]?.double, pair.shareDifference)
            let path = folder + "/" + (try XCTUnwrap(row["image"]?.string))
            let image = try ImageDecoder.decode(Files.read(path))
            let drawn = try Renderer(side: 64).render(pair.scene)
            XCTAssertEqual([image.width, image.height], [64, 64])
            let difference = zip(image.pixels, drawn.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
            // JPEG of quality 90 with halved colour resolution loses this much; a wrong picture is off by 30 and more.
            XCTAssertLessThan(Double(difference) / Double(drawn.pixels.count), 6)
        }
    }

    func testScenesComeWithQuestionsAndTruth() throws {
        let generator = SceneGenerator(seed: 1, split: .test)
        try SceneExport(generator: generator, renderer: Renderer(side: 64)).write(count: 3, to: folder)
        XCTAssertEqual(try JSONLines.read(folder + "/questions.jsonl").compactMap { $0["question"]?.string }.count, 3)
        for (index, line) in try JSONLines.read(folder + "/truth.jsonl").enumerated() {
            XCTAssertEqual(try Scene(json: try XCTUnwrap(line["objects"])).objects, generator.scene(index).objects)
        }
    }

    func testTrainingDataHoldsPixelsAndJudgedSentences() throws {
        let generator = SceneGenerator(seed: 2, split: .train)
        try TrainingExport(generator: generator, renderer: Renderer(side: 32)).write(count: 4, to: folder)
        XCTAssertEqual(try Files.read(folder + "/images.bin").count, 4 * 32 * 32 * 3)
        for (index, line) in try JSONLines.read(folder + "/scenes.jsonl").enumerated() {
            let scene = generator.scene(index)
            for (key, isTrue) in [("true", true), ("false", false)] {
                let sentences = try XCTUnwrap(line[key]?.array)
                XCTAssertFalse(sentences.isEmpty)
                for sentence in sentences {
                    let fact = try XCTUnwrap(SentenceParser.parse(sentence["text"]?.string ?? ""))
                    XCTAssertEqual(fact.holds(in: scene), isTrue)
                    XCTAssertEqual(sentence["fact"]?.array?.compactMap(\.int), fact.code)
                }
            }
            XCTAssertEqual(line["habitual"]?.array?.count, 4)
        }
    }

    func testWhatCannotBeWrittenIsAnErrorThatNamesThePath() throws {
        let export = SceneExport(generator: SceneGenerator(seed: 1, split: .test), renderer: try Renderer(side: 64))
        XCTAssertThrowsError(try export.write(count: 1, to: folder + "/missing")) {
            XCTAssertTrue("\($0)".contains(folder + "/missing"), "\($0)")
        }
        try Data("{\"idx\": 1}\n\nnot JSON\n".utf8).write(to: URL(fileURLWithPath: folder + "/bad.jsonl"))
        XCTAssertThrowsError(try JSONLines.read(folder + "/bad.jsonl")) {
            XCTAssertTrue("\($0)".contains("line 3"), "\($0)")
        }
    }
}
