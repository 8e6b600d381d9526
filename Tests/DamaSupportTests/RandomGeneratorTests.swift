import DamaSupport
import XCTest

final class RandomGeneratorTests: XCTestCase {
    /// Output of the authors' reference implementation for the state 1, 2, 3, 4 (the vector rand_xoshiro tests with).
    func testReferenceSequence() throws {
        var generator = try RandomGenerator(words: [1, 2, 3, 4])
        let expected: [UInt64] = [
            41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386, 9_228_616_714_210_784_205,
            9_973_669_472_204_895_162, 14_011_001_112_246_962_877, 12_406_186_145_184_390_807,
            15_849_039_046_786_891_736, 10_450_023_813_501_588_000,
        ]
        for value in expected { XCTAssertEqual(generator.next(), value) }
    }

    /// The state is SplitMix64's published sequence for the seed 1234567.
    func testSeeding() {
        XCTAssertEqual(
            RandomGenerator(seed: 1_234_567).words,
            [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
            ])
        XCTAssertNotEqual(RandomGenerator(seed: 1), RandomGenerator(seed: 1, stream: 1))
        XCTAssertNotEqual(RandomGenerator(seed: 1, stream: 2), RandomGenerator(seed: 2, stream: 1))
    }

    func testStoredStateGoesOn() throws {
        var generator = RandomGenerator(seed: 3)
        for _ in 0..<11 { _ = generator.next() }
        var copy = try RandomGenerator(words: generator.words)
        for _ in 0..<100 { XCTAssertEqual(generator.next(), copy.next()) }
        XCTAssertThrowsError(try RandomGenerator(words: [0, 0, 0, 0]))
        XCTAssertThrowsError(try RandomGenerator(words: [1, 2, 3]))
    }

    /// Means and variances within five standard errors; with a fixed seed the result is always the same.
    func testDistributions() {
        var generator = RandomGenerator(seed: 5)
        let count = 200_000
        var sum = 0.0
        var squares = 0.0
        var normalSum = 0.0
        var normalSquares = 0.0
        for _ in 0..<count {
            let u = generator.uniform()
            XCTAssertTrue(u >= 0 && u < 1)
            let v = generator.openUniform()
            XCTAssertTrue(v > 0 && v < 1)
            sum += u
            squares += (u - 0.5) * (u - 0.5)
            let g = generator.gaussian()
            normalSum += g
            normalSquares += g * g
        }
        let n = Double(count)
        XCTAssertEqual(sum / n, 0.5, accuracy: 5 * (1 / 12.0 / n).squareRoot())
        XCTAssertEqual(squares / n, 1 / 12.0, accuracy: 5 * (1 / 180.0 / n).squareRoot())
        XCTAssertEqual(normalSum / n, 0, accuracy: 5 / n.squareRoot())
        XCTAssertEqual(normalSquares / n, 1, accuracy: 5 * (2 / n).squareRoot())
    }

    func testUniformBelowIsUniform() {
        var generator = RandomGenerator(seed: 6)
        var counts = [Int](repeating: 0, count: 7)
        for _ in 0..<70_000 { counts[generator.uniform(below: 7)] += 1 }
        // χ² with 6 degrees of freedom: 22.5 is its 99.9 % point.
        let chiSquared = counts.reduce(0.0) { $0 + Double(($1 - 10_000) * ($1 - 10_000)) / 10_000 }
        XCTAssertLessThan(chiSquared, 22.5)
        XCTAssertEqual(generator.uniform(below: 1), 0)
        XCTAssertEqual(generator.uniform(below: 0), 0)
        // Half of all 64-bit numbers are rejected or wrapped at this bound; the result must stay below it.
        for _ in 0..<1000 { XCTAssertLessThan(generator.uniform(below: Int.max), Int.max) }
    }

    func testPermutationsAreEquallyLikely() {
        var generator = RandomGenerator(seed: 8)
        var counts: [[Int]: Int] = [:]
        for _ in 0..<24_000 { counts[generator.permutation(of: 4), default: 0] += 1 }
        XCTAssertEqual(counts.count, 24)
        // χ² with 23 degrees of freedom: 49.7 is its 99.9 % point.
        let chiSquared = counts.values.reduce(0.0) { $0 + Double(($1 - 1000) * ($1 - 1000)) / 1000 }
        XCTAssertLessThan(chiSquared, 49.7)
        XCTAssertEqual(generator.permutation(of: 0), [])
    }
}
