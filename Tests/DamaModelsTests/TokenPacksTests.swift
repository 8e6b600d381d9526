import DamaSupport
import XCTest

@testable import DamaModels

final class TokenPacksTests: XCTestCase {
    func testTextsThatBeginAlikeShareTheirBeginning() throws {
        let packs = try XCTUnwrap(
            TokenPacks.layOut([[9, 1, 2, 8], [9, 3, 8], [9, 1, 2, 4, 8]], runTokens: 640).first)
        // In sorted order: 9 1 2 4 8, then 9 1 2 [8], then 9 [3 8].
        XCTAssertEqual(packs.tokens, [9, 1, 2, 4, 8, 8, 3, 8])
        XCTAssertEqual(packs.positions, [0, 1, 2, 3, 4, 3, 1, 2])
        XCTAssertEqual(packs.endRows, [4, 5, 7])
        XCTAssertEqual(packs.places.map(\.text), [2, 0, 1])
        XCTAssertEqual(packs.places.map(\.row), [0, 1, 2])
        let seen = (0..<packs.length).map { row in
            (0..<packs.length).filter { packs.mask[row * packs.length + $0] == 0 }
        }
        XCTAssertEqual(
            seen, [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3, 4], [0, 1, 2, 5], [0, 6], [0, 6, 7]])
        XCTAssertEqual(
            (0..<3).map { end in (0..<packs.length).filter { packs.endMask[end * packs.length + $0] == 0 } },
            [[0, 1, 2, 3, 4], [0, 1, 2, 5], [0, 6, 7]])
    }

    /// For every layout, the mask and the positions of a text's end row recover the text.
    func testEveryTextCanBeReadBack() throws {
        var generator = RandomGenerator(seed: 5)
        for count in [1, 2, 12, 60, 400] {
            let texts = Array(
                Set(
                    (0..<count).map { _ in
                        [Int32(100)]
                            + (0..<Int.random(in: 0...75, using: &generator)).map { _ in
                                Int32.random(in: 0..<3, using: &generator)
                            } + [101]
                    }))
            var read = [[Int32]](repeating: [], count: texts.count)
            for packs in TokenPacks.layOut(texts, runTokens: 640) {
                XCTAssertLessThanOrEqual(packs.length, TokenPacks.targetLength * 3 / 2 + 77)
                for place in packs.places {
                    let row = Int(packs.endRows[place.row])
                    let pack = row / packs.length
                    let visible = (0..<packs.length).filter { packs.mask[row * packs.length + $0] == 0 }
                    let path = visible.map { pack * packs.length + $0 }.sorted {
                        packs.positions[$0] < packs.positions[$1]
                    }
                    XCTAssertEqual(path.map { packs.positions[$0] }, (0..<path.count).map(Int64.init))
                    XCTAssertEqual(path.last, row)
                    read[place.text] = path.map { Int32(packs.tokens[$0]) }
                    XCTAssertEqual(
                        packs.endMask[place.row * packs.length..<(place.row + 1) * packs.length],
                        packs.mask[row * packs.length..<(row + 1) * packs.length])
                }
            }
            XCTAssertEqual(read, texts)
        }
        XCTAssertEqual(TokenPacks.layOut([], runTokens: 640), [])
    }
}
