import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaGraph

final class RowGradientsTests: XCTestCase {
    private func add(
        _ values: [Float], at indices: [Int64], to gradient: inout [Float], width: Int, threads: Int = 1
    ) throws {
        try values.withUnsafeBufferPointer { values in
            try indices.withUnsafeBufferPointer { indices in
                try gradient.withUnsafeMutableBufferPointer {
                    try RowGradients.add(values, at: indices, to: $0, width: width, threads: threads)
                }
            }
        }
    }

    func testSharedRowsAddUp() throws {
        var gradient: [Float] = [1, 0, 0, 0, 0, 1]
        try add([1, 2, 10, 20, 100, 200], at: [2, 0, 2], to: &gradient, width: 2)
        XCTAssertEqual(gradient, [11, 20, 0, 0, 101, 203])
    }

    /// Large enough that four threads share the work: the same bits as with one, and nearly the sums in double.
    func testThreadsDoNotChangeABit() throws {
        var generator = RandomGenerator(seed: 5)
        let (rows, width, count) = (7, 96, 4000)
        let indices = (0..<count).map { _ in Int64(generator.uniform(below: rows - 1)) }
        let values = (0..<count * width).map { _ in Float(generator.gaussian()) }
        var one = [Float](repeating: 0, count: rows * width)
        try add(values, at: indices, to: &one, width: width)
        for threads in [2, 3, 4] {
            var many = [Float](repeating: 0, count: rows * width)
            try add(values, at: indices, to: &many, width: width, threads: threads)
            XCTAssertEqual(many, one)
        }
        var exact = [Double](repeating: 0, count: rows * width)
        for (position, row) in indices.enumerated() {
            for column in 0..<width { exact[Int(row) * width + column] += Double(values[position * width + column]) }
        }
        // 700 roundings of numbers up to 100.
        for (sum, exact) in zip(one, exact) { XCTAssertEqual(Double(sum), exact, accuracy: 1e-3) }
    }

    func testInverse() throws {
        let (table, uses) = try RowGradients.inverse(of: [2, 0, 2], count: 4)
        XCTAssertEqual(uses, 2)
        XCTAssertEqual(table, [1, 3, 3, 3, 0, 2, 3, 3])
        XCTAssertEqual(try RowGradients.inverse(of: [], count: 2).table, [0, 0])
        assertFails(.invalidArgument, "row 1 to select is 4; there are 4 rows") {
            _ = try RowGradients.inverse(of: [0, 4], count: 4)
        }
        assertFails(.invalidArgument, "is -1") { _ = try RowGradients.inverse(of: [-1], count: 4) }
    }

    func testErrorsAddNothing() throws {
        var gradient: [Float] = [0, 0, 0, 0]
        assertFails(.invalidArgument, "index 1 is 2; the embedding has 2 rows") {
            try add([1, 2, 3, 4], at: [0, 2], to: &gradient, width: 2)
        }
        assertFails(.shapeMismatch, "3 row gradients for 2 indices of width 2") {
            try add([1, 2, 3], at: [0, 1], to: &gradient, width: 2)
        }
        assertFails(.shapeMismatch, "of width 0") { try add([], at: [], to: &gradient, width: 0) }
        XCTAssertEqual(gradient, [0, 0, 0, 0])
    }
}
