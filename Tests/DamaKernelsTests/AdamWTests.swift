import CDamaShims
import DamaKernels
import DamaSupport
import DamaTestSupport
import XCTest

final class AdamWTests: XCTestCase {
    /// torch's own AdamW in float32. Its order of roundings differs (it divides where this multiplies by an inverse),
    /// so each step may differ by a few units in the last place of the update and of the parameter.
    func testEqualsTorch() throws {
        let cases = try XCTUnwrap(Fixtures.json("kernels.json")["adamw"]?.array)
        XCTAssertEqual(cases.count, 3)
        for item in cases {
            let options = try XCTUnwrap(item["options"])
            var adamw = AdamW(learningRate: try XCTUnwrap(options["lr"]?.double))
            adamw.weightDecay = try XCTUnwrap(options["weight_decay"]?.double)
            if let betas = options["betas"]?.array {
                adamw.beta1 = try XCTUnwrap(betas[0].double)
                adamw.beta2 = try XCTUnwrap(betas[1].double)
            }
            if let epsilon = options["eps"]?.double { adamw.epsilon = epsilon }
            var parameters = try floats(item["parameters"])
            var first = parameters.map { _ in Float(0) }
            var second = first
            let gradients = try XCTUnwrap(item["gradients"]?.array)
            for (index, gradient) in gradients.enumerated() {
                try adamw.update(
                    step: UInt64(index + 1), parameters: &parameters, gradients: floats(gradient), firstMoments: &first,
                    secondMoments: &second)
            }
            let steps = Float(gradients.count)
            func compare(_ found: [Float], _ expected: JSON?, scale: Float, _ name: String) throws {
                for (a, b) in zip(found, try floats(expected)) {
                    XCTAssertEqual(a, b, accuracy: steps * 3e-7 * max(abs(b), scale), name)
                }
            }
            try compare(parameters, item["result"], scale: Float(adamw.learningRate) * 10, "parameters")
            // Moments add numbers of either sign: the error is relative to the largest gradient, not to the sum.
            let largest = try gradients.flatMap { try floats($0) }.map { abs($0) }.max() ?? 0
            try compare(first, item["first"], scale: largest, "m")
            try compare(second, item["second"], scale: 0, "v")
        }
    }

    /// The first step of Adam is lr · g / (|g| + ε), whatever the size of the gradient.
    func testFirstStepByHand() throws {
        var adamw = AdamW(learningRate: 0.1)
        adamw.weightDecay = 0.5
        var parameters: [Float] = [1, 1, 1]
        var first: [Float] = [0, 0, 0]
        var second = first
        try adamw.update(
            step: 1, parameters: &parameters, gradients: [1e-3, -20, 0], firstMoments: &first, secondMoments: &second)
        XCTAssertEqual(parameters[0], 0.95 - 0.1, accuracy: 2e-6)
        XCTAssertEqual(parameters[1], 0.95 + 0.1, accuracy: 2e-6)
        XCTAssertEqual(parameters[2], 0.95, accuracy: 1e-7)
    }

    func testGradientScaleIsAScaledGradient() throws {
        var generator = RandomGenerator(seed: 2)
        let gradients = (0..<50).map { _ in Float(generator.gaussian()) }
        var results: [[Float]] = []
        for scale in [1.0, 0.25] {
            var adamw = AdamW(learningRate: 0.1)
            adamw.gradientScale = scale
            var parameters = gradients
            var first = gradients.map { _ in Float(0) }
            var second = first
            // A power of two scales without rounding.
            let scaled = gradients.map { Float(0.25 / scale) * $0 }
            try adamw.update(
                step: 1, parameters: &parameters, gradients: scaled, firstMoments: &first, secondMoments: &second)
            results.append(parameters + first + second)
        }
        XCTAssertEqual(results[0], results[1])
    }

    /// Levels and threads: the same bits whatever the number of threads, and close to each other between levels.
    func testThreadsAndLevels() throws {
        var generator = RandomGenerator(seed: 3)
        let count = 200_003
        let start = (0..<count).map { _ in Float(generator.gaussian()) }
        let gradients = (0..<count).map { _ in Float(generator.gaussian()) }
        var results: [[UInt32]] = []
        for threads in [1, 2, 5] {
            var parameters = start
            var first = start.map { _ in Float(0) }
            var second = first
            for step in 1...3 {
                try AdamW(learningRate: 1e-2).update(
                    step: UInt64(step), parameters: &parameters, gradients: gradients, firstMoments: &first,
                    secondMoments: &second, threads: threads)
            }
            results.append((parameters + first + second).map(\.bitPattern))
        }
        XCTAssertEqual(results[0], results[1])
        XCTAssertEqual(results[0], results[2])

        var numbers = cdama_adamw(
            keep: 0.99, beta1: 0.9, one_minus_beta1: 0.1, beta2: 0.999, one_minus_beta2: 0.001, step_size: 0.1,
            inverse_root_correction: 31.6, epsilon: 1e-8, gradient_scale: 0.5)
        var expected: [Float] = []
        for level in 0...cdama_kernel_level() {
            var parameters = Array(start[..<37])
            var first = parameters.map { _ in Float(0.1) }
            var second = first
            cdama_adamw_step(Int32(level), &numbers, &parameters, gradients, &first, &second, 37)
            if level == 0 { expected = parameters }
            for (a, b) in zip(parameters, expected) { XCTAssertEqual(a, b, accuracy: 1e-6, "level \(level)") }
        }
    }

    /// Every exponent, ties, infinities and NaN: the kernel's rounding is Swift's, at every level.
    func testRoundedParameters() {
        var numbers = cdama_adamw(
            keep: 1, beta1: 0.9, one_minus_beta1: 0.1, beta2: 0.999, one_minus_beta2: 0.001, step_size: 0,
            inverse_root_correction: 1, epsilon: 1e-8, gradient_scale: 1)
        // With a step size of 0 parameters stay. The lower halves are those around a tie of either type.
        let halves: [UInt32] = [0, 1, 0x0FFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x7FFF, 0x8000, 0x8001, 0xFFFF]
        var start: [Float] = []
        for upper in 0..<(1 << 16) {
            for shift in [0, 5] {
                start.append(Float(bitPattern: UInt32(upper) << 16 | halves[(upper + shift) % halves.count]))
            }
        }
        let gradients = start.map { _ in Float(0) }
        for level in 0...cdama_kernel_level() {
            for (rounding, isHalf) in [(CDAMA_ROUND_BFLOAT16, false), (CDAMA_ROUND_HALF, true)] {
                // Whole vectors, and a rest.
                for count in [start.count, start.count - 3] {
                    var (parameters, first) = (start, gradients)
                    var second = first
                    var rounded = [UInt16](repeating: 0x1234, count: count + 1)
                    cdama_adamw_step_rounded(
                        Int32(level), &numbers, &parameters, gradients, &first, &second, rounding, &rounded, count)
                    var wrong = 0
                    for (number, bits) in zip(start, rounded.dropLast()) {
                        let right = isHalf ? Float16(number).bitPattern : BFloat16(number).bits
                        let isNaN = isHalf ? Float16(bitPattern: bits).isNaN : BFloat16(bits: bits).float.isNaN
                        if number.isNaN ? !isNaN : bits != right { wrong += 1 }
                    }
                    XCTAssertEqual(wrong, 0, "level \(level), \(isHalf ? "half" : "bfloat16"), \(count) numbers")
                    XCTAssertEqual(rounded.last, 0x1234)
                }
            }
        }
    }

    func testNorm() throws {
        var generator = RandomGenerator(seed: 5)
        for count in [0, 1, 15, 16, 17, 1000, 70_000, 200_001] {
            let values = (0..<count).map { _ in Float(generator.gaussian()) }
            let exact = values.reduce(0) { $0 + Double($1) * Double($1) }
            var found: [Double] = []
            for threads in [1, 2, 7] {
                found.append(try GradientNorm.sumOfSquares(values, count: count, threads: threads))
            }
            // Double throughout: only the order of additions differs.
            XCTAssertEqual(found[0], exact, accuracy: 1e-12 * max(1, exact))
            XCTAssertEqual(found[0], found[1])
            XCTAssertEqual(found[0], found[2])
            for level in 0...cdama_kernel_level() where count <= 65_536 {
                let sum = cdama_sum_of_squares(Int32(level), values, count)
                XCTAssertEqual(sum, exact, accuracy: 1e-12 * max(1, exact))
            }
        }
        // Squares that overflow float32 do not overflow double; NaN is not hidden.
        XCTAssertEqual(try GradientNorm.sumOfSquares([3e30, 4e30], count: 2).squareRoot(), 5e30, accuracy: 1e24)
        XCTAssertTrue(try GradientNorm.sumOfSquares([1, .nan], count: 2).isNaN)
        XCTAssertEqual(GradientNorm.clippingScale(norm: 4, limit: 1), 1 / (4 + 1e-6))
        XCTAssertEqual(GradientNorm.clippingScale(norm: 0.5, limit: 1), 1)
    }

    func testBadInput() {
        let changes: [(inout AdamW) -> Void] = [
            { $0.learningRate = -1 }, { $0.learningRate = .nan }, { $0.beta1 = 1 }, { $0.beta2 = -0.1 },
            { $0.epsilon = -1 }, { $0.weightDecay = .infinity }, { $0.gradientScale = .nan },
        ]
        var parameters: [Float] = [1]
        var first: [Float] = [0]
        var second: [Float] = [0]
        for change in changes {
            var adamw = AdamW(learningRate: 1)
            change(&adamw)
            XCTAssertThrowsError(
                try adamw.update(
                    step: 1, parameters: &parameters, gradients: [1], firstMoments: &first, secondMoments: &second))
        }
        XCTAssertThrowsError(
            try AdamW(learningRate: 1).update(
                step: 0, parameters: &parameters, gradients: [1], firstMoments: &first, secondMoments: &second))
        XCTAssertThrowsError(
            try AdamW(learningRate: 1).update(
                step: 1, parameters: &parameters, gradients: [1, 2], firstMoments: &first, secondMoments: &second))
        XCTAssertEqual(parameters, [1])
    }
}
