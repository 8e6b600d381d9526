import DamaTestSupport
import XCTest

@testable import Dama

final class OrderStatisticsTests: XCTestCase {
    func testEqualSorting() throws {
        var generator = RandomGenerator(seed: 3)
        for count in [1, 2, 3, 10, 1000] {
            var numbers = (0..<count).map { _ in (generator.uniform() - 0.5) * 2 }
            // Both zeros, ties, and numbers of very different magnitude.
            for index in stride(from: 0, to: count, by: 5) {
                numbers[index] = [0, -0.0, 1, -1, 1e300, -1e-300][index % 6]
            }
            let sorted = numbers.sorted()
            let ranks = [0, count / 3, count / 2, count - 1]
            let found = try OrderStatistics.select(ranks: ranks) { visit in numbers.forEach(visit) }
            XCTAssertEqual(found, ranks.map { sorted[$0] })
        }
    }

    func testInterpolatesAsNumpy() throws {
        // numpy.quantile([1, 2, 4, 8, 16], [0, .1, .25, .5, .9, 1])
        let numbers = [8.0, 1, 16, 4, 2]
        let found = try OrderStatistics.quantiles([0, 0.1, 0.25, 0.5, 0.9, 1], count: 5) { visit in
            numbers.forEach(visit)
        }
        for (a, b) in zip(found, [1, 1.4, 2, 4, 12.8, 16]) { XCTAssertEqual(a, b, accuracy: 1e-12) }
    }

    func testNumberFileGivesBackWhatItTook() throws {
        let folder = try TemporaryDirectory()
        var file = try NumberFile(path: folder.path + "/numbers")
        let numbers = (0..<20_000).map { Double($0) * 0.37 - 3000 }
        for number in numbers { try file.append(number) }
        try file.flush()
        for _ in 0..<2 {
            var found: [Double] = []
            try file.forEach { found.append($0) }
            XCTAssertEqual(found, numbers)
        }
    }
}
