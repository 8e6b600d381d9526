import DamaSupport
import XCTest

/// Texts as arrays of scalars, against the standard library's views.
final class ScalarTextTests: XCTestCase {
    /// Scalars at the ends of the ranges of UTF-8's lengths and beside the surrogates.
    private let edges: [Unicode.Scalar] = [
        "\u{0}", "a", "\u{7F}", "\u{80}", "é", "\u{7FF}", "\u{800}", "▁", "\u{D7FF}", "\u{E000}", "\u{FFFD}",
        "\u{FFFF}", "\u{10000}", "😀", "\u{10FFFF}",
    ]

    func testScalarsOfATextAndBack() {
        for count in [0, 1, 2, 3, 15, 16, 40] {
            for start in edges.indices {
                let scalars = (0..<count).map { edges[(start + $0 * 4) % edges.count] }
                var view = String.UnicodeScalarView()
                view.append(contentsOf: scalars)
                let text = String(view)
                XCTAssertEqual(Array(scalarsOf: text), scalars)
                XCTAssertEqual(Array(String(scalars: scalars).utf8), Array(text.utf8))
            }
        }
    }

    func testAPartOfAnArray() {
        let part = edges[3..<9]
        XCTAssertEqual(Array(String(scalars: part).unicodeScalars), Array(part))
    }

    /// A substring and a text that is not ASCII have storage of their own kinds.
    func testTextsOfOtherStorage() {
        let text = String("x😀y▁z".dropFirst())
        XCTAssertEqual(Array(scalarsOf: text), Array(text.unicodeScalars))
    }
}
