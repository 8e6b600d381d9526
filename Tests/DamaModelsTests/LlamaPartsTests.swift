import DamaModels
import DamaSupport
import DamaTestSupport
import XCTest

final class RotaryTests: XCTestCase {
    func testInverseFrequenciesEqualTransformers() throws {
        for (name, fixture) in try XCTUnwrap(Fixtures.json("rotary.json").object).members {
            let config = try ConfigReader(["rope_parameters": fixture["parameters"] ?? .null], place: name)
            let found = try RotaryConfiguration(config).inverseFrequencies(headSize: 128)
            let expected = try XCTUnwrap(fixture["inverse_frequencies"]?.array).compactMap(\.double)
            XCTAssertEqual(found.count, expected.count, name)
            for (a, b) in zip(found, expected) {
                // transformers computes them in single precision.
                XCTAssertEqual(a, b, accuracy: 2e-6 * abs(b), name)
            }
        }
    }

    func testOldSpellingIsReadToo() throws {
        let config = try ConfigReader(
            ["rope_theta": 1e6, "rope_scaling": ["type": "linear", "factor": 2]], place: "config.json")
        XCTAssertEqual(try RotaryConfiguration(config), RotaryConfiguration(theta: 1e6, scaling: .linear(factor: 2)))
    }

    func testUnknownScalingIsNamed() throws {
        let config = try ConfigReader(["rope_scaling": ["rope_type": "yarn"]], place: "config.json")
        assertFails(.unsupported, "rope_type is \"yarn\"") { _ = try RotaryConfiguration(config) }
    }
}

final class LlamaConfigurationTests: XCTestCase {
    func testBadFieldsAreNamed() throws {
        let cases: [(JSON, DamaError.Code, String)] = [
            (["hidden_size": -3], .model, "hidden_size is -3"),
            (
                ["num_attention_heads": 32, "num_key_value_heads": 5], .model,
                "not a multiple of num_key_value_heads (5)"
            ),
            (["hidden_size": 100, "num_attention_heads": 32], .model, "not a multiple of num_attention_heads"),
            (["hidden_act": "relu"], .unsupported, "\"relu\""),
            (["vocab_size": 1e30], .model, "vocab_size"),
            (["eos_token_id": [2, 40000]], .model, "eos_token_id is 40000"),
            (["rms_norm_eps": "small"], .model, "rms_norm_eps is \"small\""),
        ]
        for (json, code, text) in cases {
            assertFails(code, text) { _ = try LlamaConfiguration(ConfigReader(json, place: "config.json")) }
        }
    }
}

final class TokenSequenceTests: XCTestCase {
    func testPackedPairSeesWhatTwoSequencesWouldSee() throws {
        let sequence = try TokenSequence(prefix: [10, 11, 12], responses: [[20, 21], [30, 31, 32]])
        XCTAssertEqual(sequence.tokens, [10, 11, 12, 20, 21, 30, 31, 32])
        XCTAssertEqual(sequence.positions, [0, 1, 2, 3, 4, 3, 4, 5])
        XCTAssertEqual(sequence.predictingRows, [2, 3, 2, 5, 6])
        XCTAssertEqual(sequence.targets, [20, 21, 30, 31, 32])

        let length = 10
        var mask = [Float](repeating: .nan, count: length * length)
        mask.withUnsafeMutableBufferPointer { sequence.writeMask(into: $0, length: length, blocked: -1) }
        let isPrefix = { (index: Int) in index < 3 }
        let isChosen = { (index: Int) in (3..<5).contains(index) }
        for row in 0..<length {
            for column in 0..<length {
                let visible =
                    row < 8
                    ? column <= row && (isPrefix(column) || isChosen(column) == isChosen(row) && !isPrefix(row))
                    : column == 0
                XCTAssertEqual(mask[row * length + column], visible ? 0 : -1, "row \(row), column \(column)")
            }
        }
    }

    /// A window counts positions, as each response has them by itself.
    func testAWindowHidesWhatItWouldHideFromTwoSequences() throws {
        let (prefix, responses) = ([10, 11, 12, 13] as [Int32], [[20, 21, 22], [30, 31]] as [[Int32]])
        let sequence = try TokenSequence(prefix: prefix, responses: responses)
        let length = 10
        for window in 1...8 {
            var mask = [Float](repeating: .nan, count: length * length)
            mask.withUnsafeMutableBufferPointer {
                sequence.writeMask(into: $0, length: length, window: window, blocked: -1)
            }
            // The tokens that each row of a response alone attends to, by their positions there.
            for response in sequence.responses {
                let own = Array(0..<4) + Array(response.range)
                for (position, row) in own.enumerated() {
                    let seen = own[max(0, position - window + 1)...position]
                    for column in 0..<length {
                        XCTAssertEqual(
                            mask[row * length + column], seen.contains(column) ? 0 : -1,
                            "window \(window), row \(row), column \(column)")
                    }
                }
            }
            XCTAssertEqual(mask[9 * length], 0)
        }
    }

    func testEmptyPartsAreErrors() {
        assertFails(.invalidArgument, "prompt has no tokens") { _ = try TokenSequence(prefix: [], responses: [[1]]) }
        assertFails(.invalidArgument, "response 1 has no") { _ = try TokenSequence(prefix: [1], responses: [[1], []]) }
    }
}

final class SamplerTests: XCTestCase {
    private func choose(_ logits: [Float], _ options: SamplingOptions, _ generator: inout RandomGenerator) throws -> Int
    {
        try logits.withUnsafeBufferPointer { try options.choose(from: $0, using: &generator) }
    }

    func testGreedyTakesTheLargestAndTheLowerIdOnTies() throws {
        var generator = RandomGenerator(seed: 1)
        XCTAssertEqual(try choose([1, 3, .nan, 3], .greedy, &generator), 1)
        assertFails(.model, "no finite logit") { _ = try self.choose([.nan, -.infinity], .greedy, &generator) }
    }

    /// Ties, NaN and infinities at all places, against a plain search.
    func testTheLikeliestPlaceOfAnyLength() {
        var generator = RandomGenerator(seed: 5)
        let values: [Float] = [-.infinity, .nan, -3, -0.0, 0, 2, 2, .infinity, -.greatestFiniteMagnitude]
        for count in 0..<100 {
            for kinds in [1, 2, 4, 7, values.count] {
                let logits = (0..<count).map { _ in values[Int(generator.uniform() * Double(kinds))] }
                let largest = logits.filter { $0 > -.infinity }.max()
                XCTAssertEqual(
                    logits.withUnsafeBufferPointer { Likeliest.place(in: $0) },
                    largest.flatMap { logits.firstIndex(of: $0) }, "\(logits)")
            }
        }
    }

    /// Frequencies of 40,000 draws against the softmax in closed form, within five standard deviations.
    func testFrequenciesFollowTheFilteredSoftmax() throws {
        let logits: [Float] = [0, 1, 2, 3, -1]
        let cases: [(SamplingOptions, [Int])] = [
            (SamplingOptions(temperature: 1), [0, 1, 2, 3, 4]),
            (SamplingOptions(temperature: 2, topK: 3), [1, 2, 3]),
            // Probabilities .636 .234 .086 .032 .012: the first three reach .9.
            (SamplingOptions(temperature: 1, topP: 0.9), [1, 2, 3]),
        ]
        for (options, kept) in cases {
            var generator = RandomGenerator(seed: 7)
            let draws = 40_000
            var counts = [Double](repeating: 0, count: logits.count)
            for _ in 0..<draws { counts[try choose(logits, options, &generator)] += 1 }
            let weights = kept.map { exp(Double(logits[$0]) / options.temperature) }
            for index in logits.indices {
                let p = kept.firstIndex(of: index).map { weights[$0] / weights.reduce(0, +) } ?? 0
                let deviation = (p * (1 - p) / Double(draws)).squareRoot()
                XCTAssertEqual(counts[index] / Double(draws), p, accuracy: 5 * deviation, "\(options) token \(index)")
            }
        }
    }

    func testBadOptions() {
        for (options, text) in [
            (SamplingOptions(temperature: -1), "temperature"), (SamplingOptions(topK: -1), "top_k"),
            (SamplingOptions(topP: 0), "top_p"), (SamplingOptions(temperature: .nan), "temperature"),
        ] {
            assertFails(.invalidArgument, text) { try options.validate() }
        }
    }
}
