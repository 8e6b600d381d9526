import XCTest

@testable import ShapesWorld

final class RendererTests: XCTestCase {

    func testTheSameSceneGivesTheSamePixels() throws {
        let scene = SceneGenerator(seed: 4, split: .train).scene(0)
        XCTAssertEqual(try Renderer().render(scene), try Renderer().render(scene))
        XCTAssertEqual(try Renderer().render(scene).pixels.count, 96 * 96 * 3)
    }

    /// The mean colour of the cell's middle, where every shape but the ring is filled.
    func testObjectsHaveTheirColorWhereTheyAre() throws {
        for place in Place.allCases {
            let red = SceneObject(shape: .square, color: .red, size: .large, place: place)
            let pixels = try Renderer().render(Scene(objects: [red], renderSeed: 5)).pixels
            for other in Place.allCases {
                let start = ((other.row * 32 + 16) * 96 + other.column * 32 + 16) * 3
                let isRed = Int(pixels[start]) > Int(pixels[start + 1]) + 80
                XCTAssertEqual(isRed, other == place, "\(place) \(other)")
            }
        }
    }

    func testSizesThatMakeNoPictureAreRefused() {
        for side in [-1, 0, 31, 5000] { XCTAssertThrowsError(try Renderer(side: side)) }
    }

    /// Areas against closed forms, in units of the radius squared, from 400 × 400 samples of the outline.
    func testOutlinesHaveTheirAreas() throws {
        let expected: [Shape: Double] = [
            .circle: .pi * 0.95, .square: 1.7 * 1.7, .triangle: 1.8, .cross: 4 * 0.64 - 0.64 * 0.64, .ring: .pi * 0.7,
            // Ten triangles between the radii of neighbouring corners.
            .star: 10 * 0.5 * 1.1 * 0.45 * 0.5877852522924731,
        ]
        let count = 400
        for shape in Shape.allCases {
            var hits = 0
            for index in 0..<(count * count) {
                let x = -1.2 + 2.4 * (Double(index % count) + 0.5) / Double(count)
                let y = -1.2 + 2.4 * (Double(index / count) + 0.5) / Double(count)
                if ShapeOutline.contains(shape, x, y) { hits += 1 }
            }
            let area = Double(hits) * 2.4 * 2.4 / Double(count * count)
            // An edge of length L is known to about L · 2.4 / count in the worst case.
            XCTAssertEqual(area, expected[shape] ?? 0, accuracy: 0.03, "\(shape)")
        }
    }

    func testLargeObjectsCoverMoreThanSmallOnes() throws {
        func differing(_ size: Size, _ shape: Shape) throws -> Int {
            let object = SceneObject(shape: shape, color: .white, size: size, place: .center)
            let with = try Renderer().render(Scene(objects: [object], renderSeed: 6)).pixels
            return stride(from: 0, to: with.count, by: 3).count { with[$0] > 200 && with[$0 + 2] > 200 }
        }
        for shape in Shape.allCases {
            XCTAssertGreaterThan(try differing(.large, shape), try 2 * differing(.small, shape), "\(shape)")
            XCTAssertGreaterThan(try differing(.small, shape), 40, "\(shape) is too small to be seen")
        }
    }
}
