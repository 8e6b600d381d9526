import DamaSupport
import XCTest

@testable import DamaModels

final class LengthBatchesTests: XCTestCase {
    /// The least cost over all divisions of the sorted `lengths`, by exhaustive search.
    private func leastCost(_ lengths: ArraySlice<Int>, budget: Int) -> Int {
        guard !lengths.isEmpty else { return 0 }
        var best = Int.max
        for size in 1...lengths.count {
            let batch = lengths.prefix(size)
            let tokens = size * (batch.last ?? 0)
            guard size == 1 || tokens <= budget else { break }
            best = min(
                best, tokens + LengthBatches.overhead + leastCost(lengths.dropFirst(size), budget: budget))
        }
        return best
    }

    func testNoOtherCutCostsLess() {
        var generator = RandomGenerator(seed: 3, stream: 0)
        for count in 0...10 {
            for range in [20.0, 300.0] {
                let lengths = (0..<count).map { _ in 1 + Int(range * generator.uniform()) }
                for budget in [1, 250, 1000, 8192] {
                    let batches = LengthBatches.plan(lengths, budget: budget)
                    XCTAssertEqual(batches.flatMap { $0 }.sorted(), Array(0..<count))
                    var cost = 0
                    for batch in batches {
                        let tokens = batch.count * (batch.map { lengths[$0] }.max() ?? 0)
                        XCTAssertTrue(batch.count == 1 || tokens <= budget)
                        cost += tokens + LengthBatches.overhead
                    }
                    XCTAssertEqual(cost, leastCost(lengths.sorted()[...], budget: budget))
                }
            }
        }
    }
}
