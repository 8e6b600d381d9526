import CDamaShims
import DamaKernels
import DamaSupport
import DamaTestSupport
import XCTest

final class TokenLogProbabilitiesTests: XCTestCase {
    private func forward(
        _ logits: [Float], rows: Int, labels: [Int64], threads: Int = 0
    ) throws -> (logProbabilities: [Float], normalizers: [Float]) {
        var logProbabilities = [Float](repeating: 7, count: rows)
        var normalizers = logProbabilities
        try TokenLogProbabilities.forward(
            logits: logits, rows: rows, vocabulary: logits.count / max(1, rows), labels: labels,
            logProbabilities: &logProbabilities, normalizers: &normalizers, threads: threads)
        return (logProbabilities, normalizers)
    }

    /// torch in double. A row's sum is taken in float32 lanes of up to 64 additions, the normaliser kept as float32:
    /// for logits of size s the log-probability is within 2e-6 + 1e-7 s, and a probability within 1e-6 · s relative.
    func testEqualsTorch() throws {
        let cases = try XCTUnwrap(Fixtures.json("kernels.json")["log_probabilities"]?.array)
        XCTAssertEqual(cases.count, 6)
        for item in cases {
            let rows = try XCTUnwrap(item["rows"]?.int)
            let vocabulary = try XCTUnwrap(item["vocabulary"]?.int)
            let logits = try floats(item["logits"])
            let labels = try XCTUnwrap(item["labels"]?.array).map { Int64(try XCTUnwrap($0.int)) }
            let weights = try floats(item["weights"])
            let (found, normalizers) = try forward(logits, rows: rows, labels: labels)
            for (row, expected) in try XCTUnwrap(item["log_probabilities"]?.array).enumerated() {
                let expected = try XCTUnwrap(expected.double)
                XCTAssertEqual(Double(found[row]), expected, accuracy: 2e-6 + 2e-7 * abs(expected), "row \(row)")
            }
            let expected = try floats(item["gradient"])
            var gradient = [Float](repeating: .nan, count: logits.count)
            try TokenLogProbabilities.backward(
                logits: logits, rows: rows, vocabulary: vocabulary, labels: labels, normalizers: normalizers,
                weights: weights, gradient: &gradient)
            for index in gradient.indices {
                XCTAssertEqual(gradient[index], expected[index], accuracy: 1e-5 * abs(weights[index / vocabulary]))
            }
            var inPlace = logits
            try inPlace.withUnsafeMutableBufferPointer { buffer in
                let base = try XCTUnwrap(buffer.baseAddress)
                try TokenLogProbabilities.backward(
                    logits: base, rows: rows, vocabulary: vocabulary, labels: labels, normalizers: normalizers,
                    weights: weights, gradient: base)
            }
            XCTAssertEqual(inPlace.map(\.bitPattern), gradient.map(\.bitPattern))
        }
    }

    /// Every instruction level that this processor has, at every length around the vectors' and the blocks' sizes.
    func testEveryLevelAndLength() {
        var generator = RandomGenerator(seed: 1)
        for level in 0...cdama_kernel_level() {
            for count in Array(1...70) + [2047, 2048, 2049, 2063, 2064, 2065, 4096, 4113] {
                let logits = (0..<count).map { _ in Float(8 * generator.gaussian()) }
                let label = generator.uniform(below: count)
                var logProbability: Float = 0
                var normalizer: Float = 0
                cdama_logprob_forward(Int32(level), logits, count, label, &logProbability, &normalizer)
                let most = Double(logits.max() ?? 0)
                let exact = most + log(logits.reduce(0) { $0 + exp(Double($1) - most) })
                XCTAssertEqual(Double(normalizer), exact, accuracy: 4e-6, "level \(level), \(count) logits")
                XCTAssertEqual(Double(logProbability), Double(logits[label]) - exact, accuracy: 4e-6)
                var gradient = [Float](repeating: .nan, count: count)
                cdama_logprob_backward(Int32(level), logits, count, label, normalizer, -0.5, &gradient)
                for index in 0..<count {
                    let expected = 0.5 * exp(Double(logits[index]) - exact) - (index == label ? 0.5 : 0)
                    XCTAssertEqual(Double(gradient[index]), expected, accuracy: 4e-6)
                }
            }
        }
    }

    func testHugeAndInfiniteLogits() throws {
        for count in [3, 40, 3000] {
            var logits = [Float](repeating: -1e4, count: count)
            logits[1] = 1e4
            XCTAssertEqual(try forward(logits, rows: 1, labels: [1]).logProbabilities, [0])
            XCTAssertEqual(try forward(logits, rows: 1, labels: [0]).logProbabilities, [-2e4])
            // Masked vocabulary: the first blocks may be −∞ altogether.
            logits = [Float](repeating: -.infinity, count: count)
            logits[count - 1] = 3
            logits[count - 2] = 3
            let (found, normalizers) = try forward(logits, rows: 1, labels: [Int64(count - 1)])
            XCTAssertEqual(found[0], -Float(log(2.0)), accuracy: 1e-6)
            XCTAssertEqual(try forward(logits, rows: 1, labels: [0]).logProbabilities, [-.infinity])
            var gradient = logits
            try TokenLogProbabilities.backward(
                logits: logits, rows: 1, vocabulary: count, labels: [Int64(count - 1)], normalizers: normalizers,
                weights: [1], gradient: &gradient)
            XCTAssertEqual(gradient[count - 1], 0.5, accuracy: 1e-6)
            XCTAssertEqual(gradient[count - 2], -0.5, accuracy: 1e-6)
            XCTAssertEqual(gradient[0], 0)
            // As in torch, an undefined result is NaN, and nothing hides it.
            for bad in [Float.nan, .infinity] {
                logits[0] = bad
                XCTAssertTrue(try forward(logits, rows: 1, labels: [1]).logProbabilities[0].isNaN, "\(bad), \(count)")
            }
            logits = [Float](repeating: -.infinity, count: count)
            XCTAssertTrue(try forward(logits, rows: 1, labels: [1]).logProbabilities[0].isNaN)
        }
    }

    /// The gradient of Σ weight · log π is the weight minus its softmax share: each row adds up to 0.
    func testThreadsDoNotChangeBits() throws {
        var generator = RandomGenerator(seed: 4)
        let (rows, vocabulary) = (37, 1003)
        let logits = (0..<rows * vocabulary).map { _ in Float(4 * generator.gaussian()) }
        let labels = (0..<rows).map { row in row % 5 == 3 ? -100 : Int64(generator.uniform(below: vocabulary)) }
        let weights = (0..<rows).map { _ in Float(generator.gaussian()) }
        var results: [[UInt32]] = []
        for threads in [1, 2, 3, 8] {
            let (logProbabilities, normalizers) = try forward(logits, rows: rows, labels: labels, threads: threads)
            var gradient = logits
            try TokenLogProbabilities.backward(
                logits: logits, rows: rows, vocabulary: vocabulary, labels: labels, normalizers: normalizers,
                weights: weights, gradient: &gradient, threads: threads)
            results.append((logProbabilities + normalizers + gradient).map(\.bitPattern))
            for row in 0..<rows {
                let sum = gradient[row * vocabulary..<(row + 1) * vocabulary].reduce(0) { $0 + Double($1) }
                XCTAssertEqual(sum, 0, accuracy: 1e-5 * Double(abs(weights[row])))
                if labels[row] == -100 {
                    XCTAssertEqual(logProbabilities[row], 0)
                    XCTAssertTrue(gradient[row * vocabulary..<(row + 1) * vocabulary].allSatisfy { $0 == 0 })
                }
            }
        }
        for result in results.dropFirst() { XCTAssertEqual(result, results[0]) }
    }

    func testBadInput() throws {
        for labels in [[Int64(0), 3], [0, -1], [0, -101], [0, .max]] {
            XCTAssertThrowsError(try forward([1, 2, 3, 4, 5, 6], rows: 2, labels: labels)) {
                XCTAssertTrue("\($0)".contains("row 1"), "\($0)")
            }
        }
        XCTAssertThrowsError(try forward([1, 2], rows: 1, labels: [0], threads: -1))
        XCTAssertThrowsError(try forward([], rows: 1, labels: [0]))
    }
}

func floats(_ json: JSON?) throws -> [Float] {
    try XCTUnwrap(json?.array).map { Float(try XCTUnwrap($0.double)) }
}
