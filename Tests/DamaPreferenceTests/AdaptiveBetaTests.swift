import DamaPreference
import DamaSupport
import XCTest

final class AdaptiveBetaTests: XCTestCase {
    private func configuration(_ change: (inout AdaptiveBeta.Configuration) -> Void) -> AdaptiveBeta.Configuration {
        var it = AdaptiveBeta.Configuration.paper
        change(&it)
        return it
    }

    private func randomBatch(_ generator: inout RandomGenerator, _ count: Int, drift: Double = 0) -> PairBatch {
        .margins(
            (0..<count).map { _ in drift + 3 * generator.gaussian() },
            alphaData: (0..<count).map { _ in 0.8 + 0.4 * generator.uniform() })
    }

    // MARK: Closed forms

    /// First step of the paper, N = 1: R̄ = 0, so R̃ = R = βh, α_M = σ(βh)/σ(0) = 2σ(βh).
    func testFirstStepOfOnePair() throws {
        var controller = try AdaptiveBeta()
        let found = try controller.step(.margins([4], alphaData: [1.2]))
        let alpha = 2 / (1 + exp(-0.4))
        let beta = 0.1 * 1.2 * alpha
        assertClose(found.alphaModel, alpha, 1e-15)
        assertClose(found.beta[0], beta, 1e-15)
        assertClose(found.loss, log1p(exp(-4 * beta)), 1e-15)
        assertClose(found.gradChosen[0], -beta / (1 + exp(4 * beta)), 1e-15)
        XCTAssertEqual(found.mask, [true])
        XCTAssertEqual(found.summary.accuracy, 1)
        assertClose(found.rewardChosen[0], 4 * beta, 1e-15)
        assertClose(found.plainRewardChosen[0], 0.4, 1e-15)
        try controller.commit()
        assertClose(controller.runningMean, 0.1 * 0.4, 1e-15)
    }

    /// Equal margins: exactly K are kept, lower index first, with any filter.
    func testTiesGoToTheLowerIndex() throws {
        for filter in [AdaptiveBeta.Filter.nearest, .bottom, .top] {
            var controller = try AdaptiveBeta(
                configuration {
                    $0.filter = filter
                    $0.keep = .count(3)
                })
            let found = try controller.step(.margins([2, 2, 2, 2, 2]))
            XCTAssertEqual(found.mask, [true, true, true, false, false])
        }
        var controller = try AdaptiveBeta(configuration { $0.keep = .count(3) })
        // Distances from 0: 4, 1, 1, 1, 1, 0.
        let found = try controller.step(.margins([2, -1, 1, 1, -1, 0]))
        XCTAssertEqual(found.mask, [false, true, true, false, false, true])
    }

    func testFiltersDropTheirEnd() throws {
        let margins = [5.0, -7, 1, 0.5, -2, 9]
        for (filter, mask) in [
            (AdaptiveBeta.Filter.bottom, [true, false, true, true, false, true]),
            (.top, [false, true, true, true, true, false]),
            (.nearest, [false, false, true, true, true, false].enumerated().map { $0.offset == 0 || $0.element }),
            (.none, [true, true, true, true, true, true]),
        ] {
            var controller = try AdaptiveBeta(
                configuration {
                    $0.filter = filter
                    $0.keep = .count(4)
                })
            XCTAssertEqual(try controller.step(.margins(margins)).mask, mask, "\(filter)")
        }
    }

    func testKeepingMoreThanThereAreKeepsAll() throws {
        for keep in [AdaptiveBeta.Keep.count(3), .count(100), .ratio(1)] {
            for filter in AdaptiveBeta.Filter.allCases {
                var controller = try AdaptiveBeta(
                    configuration {
                        $0.keep = keep
                        $0.filter = filter
                    })
                XCTAssertEqual(try controller.step(.margins([1, 2, 3])).mask, [true, true, true])
            }
        }
        // int(0.2 · 3) = 0, but one pair is always kept.
        var controller = try AdaptiveBeta(configuration { $0.keep = .ratio(0.2) })
        XCTAssertEqual(try controller.step(.margins([1, 2, 3])).mask, [true, false, false])
    }

    func testPairsThatAreNotFiniteAreMaskedAndCounted() throws {
        var controller = try AdaptiveBeta(configuration { $0.filter = .none })
        let found = try controller.step(.margins([1, .nan, .infinity, 3, -.infinity]))
        XCTAssertEqual(found.mask, [true, false, false, true, false])
        XCTAssertEqual(found.summary.nonFinite, 3)
        XCTAssertEqual(found.losses[1], 0)
        XCTAssertEqual(found.gradChosen[2], 0)
        XCTAssertTrue(found.loss.isFinite)
        XCTAssertTrue(found.beta.allSatisfy { $0.isFinite })
        assertClose(found.summary.batchGap, 0.2, 1e-15)
        XCTAssertEqual(controller.progress.nonFinitePairs, 0)
        try controller.commit()
        XCTAssertEqual(controller.progress.nonFinitePairs, 3)
        XCTAssertThrowsError(try controller.step(.margins([.nan, .infinity]))) {
            XCTAssertTrue("\($0)".contains("none of the 2 pairs"))
        }
    }

    /// Weights that all underflow: the sample is uniform, and counted.
    func testDegenerateWeightsSampleUniformly() throws {
        var it = AdaptiveBeta.Configuration.released
        it.keep = .count(2)
        var chosen = [Int](repeating: 0, count: 4)
        for seed in 0..<4000 {
            it.seed = UInt64(seed)
            var controller = try AdaptiveBeta(it)
            let found = try controller.step(.margins([50, 60, 70, 80]))
            XCTAssertTrue(found.summary.sampledUniformly)
            for (index, kept) in found.mask.enumerated() where kept { chosen[index] += 1 }
            if seed == 0 {
                try controller.commit()
                XCTAssertEqual(controller.progress.uniformSamplings, 1)
            }
        }
        // Each with probability ½; four standard deviations of a binomial of 4000.
        for count in chosen { XCTAssertEqual(Double(count), 2000, accuracy: 4 * (4000 * 0.25).squareRoot()) }
    }

    // MARK: Sampling

    /// Inclusion probabilities of successive sampling without replacement, by enumerating every order of draws.
    private func inclusionProbabilities(_ weights: [Double], _ keep: Int) -> [Double] {
        var result = weights.map { _ in 0.0 }
        func draw(_ taken: [Int], _ probability: Double) {
            if taken.count == keep {
                for index in taken { result[index] += probability }
                return
            }
            let total = weights.indices.filter { !taken.contains($0) }.reduce(0) { $0 + weights[$1] }
            for index in weights.indices where !taken.contains(index) {
                draw(taken + [index], probability * weights[index] / total)
            }
        }
        draw([], 1)
        return result
    }

    func testSamplingFollowsItsWeights() throws {
        let margins = [0.2, -1, 1.5, 2.2, -0.4]
        for keep in [1, 2, 3, 4] {
            let expected = inclusionProbabilities(margins.map { exp(-0.5 * $0 * $0) }, keep)
            var it = AdaptiveBeta.Configuration.released
            it.keep = .count(keep)
            let runs = 20_000
            var counts = margins.map { _ in 0 }
            for seed in 0..<runs {
                it.seed = UInt64(seed)
                var controller = try AdaptiveBeta(it)
                let mask = try controller.step(.margins(margins)).mask
                XCTAssertEqual(mask.filter { $0 }.count, keep)
                for (index, kept) in mask.enumerated() where kept { counts[index] += 1 }
            }
            for (index, p) in expected.enumerated() {
                // Four and a half standard deviations; 20 comparisons, and the seeds are fixed.
                let spread = 4.5 * (p * (1 - p) / Double(runs)).squareRoot()
                XCTAssertEqual(Double(counts[index]) / Double(runs), p, accuracy: spread, "keep \(keep), pair \(index)")
            }
        }
    }

    func testRandomControlIsUniform() throws {
        var counts = [Int](repeating: 0, count: 5)
        for seed in 0..<10_000 {
            var controller = try AdaptiveBeta(
                configuration {
                    $0.filter = .random
                    $0.keep = .count(2)
                    $0.seed = UInt64(seed)
                })
            let mask = try controller.step(.margins([100, -3, 0, 7, 7])).mask
            for (index, kept) in mask.enumerated() where kept { counts[index] += 1 }
        }
        for count in counts { XCTAssertEqual(Double(count), 4000, accuracy: 4 * (10_000 * 0.4 * 0.6).squareRoot()) }
    }

    func testSeedDecidesTheSample() throws {
        func masks(_ seed: UInt64) throws -> [[Bool]] {
            var it = AdaptiveBeta.Configuration.released
            it.seed = seed
            var controller = try AdaptiveBeta(it)
            var generator = RandomGenerator(seed: 77)
            return try (0..<20).map { _ in
                defer { try? controller.commit() }
                return try controller.step(randomBatch(&generator, 16)).mask
            }
        }
        XCTAssertEqual(try masks(5), try masks(5))
        XCTAssertNotEqual(try masks(5), try masks(6))
    }

    // MARK: State

    func testThrownAwayStepLeavesNoTrace() throws {
        for preset in [AdaptiveBeta.Configuration.paper, .released, .betaDPO] {
            var generator = RandomGenerator(seed: 2)
            var plain = try AdaptiveBeta(preset)
            var disturbed = plain
            for _ in 0..<10 {
                let batch = randomBatch(&generator, 16)
                for _ in 0..<3 { _ = try disturbed.step(randomBatch(&generator, 7)) }
                XCTAssertThrowsError(try disturbed.step(.margins([.nan])))
                XCTAssertEqual(disturbed.state(), plain.state())
                let (a, b) = (try plain.step(batch), try disturbed.step(batch))
                XCTAssertEqual(a.mask, b.mask)
                XCTAssertEqual(a.gradChosen, b.gradChosen)
                // A repeated step gives the same results.
                XCTAssertEqual(try disturbed.step(batch).mask, b.mask)
                try plain.commit()
                try disturbed.commit()
            }
            XCTAssertEqual(disturbed.state(), plain.state())
        }
    }

    func testCommitNeedsAStep() throws {
        var controller = try AdaptiveBeta()
        XCTAssertThrowsError(try controller.commit())
        _ = try controller.step(.margins([1]))
        try controller.commit()
        XCTAssertThrowsError(try controller.commit())
        XCTAssertEqual(controller.progress.steps, 1)
    }

    func testResumedEqualsUninterruptedBitForBit() throws {
        for preset in [AdaptiveBeta.Configuration.paper, .released, .betaDPO, .dpo, .d2po, .mdpo] {
            var generator = RandomGenerator(seed: 3)
            var whole = try AdaptiveBeta(preset)
            var resumed = whole
            for step in 0..<40 {
                let batch = randomBatch(&generator, 16, drift: Double(step) / 10)
                let (a, b) = (try whole.step(batch), try resumed.step(batch))
                XCTAssertEqual(a.beta.map(\.bitPattern), b.beta.map(\.bitPattern))
                XCTAssertEqual(a.gradChosen.map(\.bitPattern), b.gradChosen.map(\.bitPattern))
                XCTAssertEqual(a.mask, b.mask)
                XCTAssertEqual(a.summary, b.summary)
                try whole.commit()
                try resumed.commit()
                resumed = try AdaptiveBeta(state: resumed.state())
                XCTAssertEqual(resumed.state(), whole.state())
                XCTAssertEqual(resumed.configuration, preset)
            }
        }
    }

    func testDamagedStateIsRefused() throws {
        var it = AdaptiveBeta.Configuration.released
        it.loss = .robust(flipRate: 0.1)
        let state = try AdaptiveBeta(it).state()
        for index in state.indices {
            var damaged = state
            damaged[index] ^= 0x20
            XCTAssertThrowsError(try AdaptiveBeta(state: damaged), "byte \(index)")
        }
        for length in 0..<state.count { XCTAssertThrowsError(try AdaptiveBeta(state: Array(state[..<length]))) }
        XCTAssertThrowsError(try AdaptiveBeta(state: state + [0]))
    }

    /// Wrong fields with a valid checksum, set at every position of a 32-bit word.
    func testStateWithImpossibleFieldsIsRefusedOrSane() throws {
        let state = try AdaptiveBeta(.released).state()
        var refused = 0
        for offset in stride(from: 8, to: state.count - 8, by: 4) {
            var body = Array(state.dropLast(4))
            body.replaceSubrange(offset..<offset + 4, with: [255, 255, 255, 255])
            var writer = ByteWriter()
            writer.append(body)
            if let controller = try? AdaptiveBeta(state: writer.checksummed()) {
                var copy = controller
                XCTAssertNoThrow(try copy.configuration.validate())
                _ = try? copy.step(.margins([1, 2, 3, 4, 5]))
            } else {
                refused += 1
            }
        }
        XCTAssertGreaterThan(refused, 10)
    }

    // MARK: Ranks

    /// Two and four ranks together give, bit for bit, the results of one.
    func testNumberOfRanksDoesNotMatter() throws {
        for preset in [AdaptiveBeta.Configuration.paper, .released, .betaDPO] {
            for ranks in [2, 4] {
                var generator = RandomGenerator(seed: 11)
                var single = try AdaptiveBeta(preset)
                var many = [AdaptiveBeta](repeating: single, count: ranks)
                for step in 0..<20 {
                    let batch = randomBatch(&generator, 16, drift: Double(step) / 5)
                    let whole = try single.step(batch)
                    let width = 16 / ranks
                    let parts = try (0..<ranks).map { rank in
                        try many[rank].step(batch, slice: rank * width..<(rank + 1) * width)
                    }
                    XCTAssertEqual(parts.flatMap(\.mask), whole.mask)
                    XCTAssertEqual(parts.flatMap(\.beta), whole.beta)
                    XCTAssertEqual(parts.flatMap(\.gradChosen), whole.gradChosen)
                    XCTAssertEqual(parts.flatMap(\.gradRejected), whole.gradRejected)
                    XCTAssertEqual(parts.map(\.summary.keptInSlice).reduce(0, +), whole.summary.kept)
                    assertClose(parts.map(\.summary.sliceLoss).reduce(0, +), whole.loss, 1e-15)
                    for part in parts {
                        XCTAssertEqual(part.loss, whole.loss)
                        XCTAssertEqual(part.alphaModel, whole.alphaModel)
                    }
                    try single.commit()
                    for rank in 0..<ranks { try many[rank].commit() }
                    for rank in many { XCTAssertEqual(rank.state(), single.state()) }
                }
            }
        }
    }

    func testAnEmptySliceIsFine() throws {
        var controller = try AdaptiveBeta()
        let found = try controller.step(.margins([1, 2]), slice: 2..<2)
        XCTAssertEqual(found.beta, [])
        XCTAssertEqual(found.summary.kept, 2)
    }

    // MARK: The guard

    /// With κ = ¼, mean |R̃| ≤ 4. R_B and R̄ are then means of numbers of that size, so that α_M = σ(R_B)/σ(R̄) lies
    /// between σ(−4 N/K)/1 and 1/σ(−4 N/K); in runs that resemble training it stays within 0.3 and 2.
    func testAlphaStaysWithinTheGuard() throws {
        let bound = 4 * 16.0 / 12
        var low = Double.infinity
        var high = 0.0
        for run in 0..<300 {
            var generator = RandomGenerator(seed: UInt64(1000 + run))
            var controller = try AdaptiveBeta()
            // Margins that wander: a drift that may turn negative, and a spread that grows.
            let slope = 0.4 * (generator.uniform() - 0.4)
            let spread = 0.5 + 20 * generator.uniform()
            for step in 0..<100 {
                let drift = slope * Double(step)
                let found = try controller.step(
                    .margins((0..<16).map { _ in drift + spread * generator.gaussian() }))
                XCTAssertTrue(found.beta.allSatisfy { $0.isFinite && $0 > 0 })
                if found.summary.normalized { XCTAssertLessThanOrEqual(abs(found.summary.batchGap), bound) }
                low = min(low, found.alphaModel)
                high = max(high, found.alphaModel)
                try controller.commit()
            }
        }
        XCTAssertGreaterThan(low, 0.05)
        XCTAssertLessThan(high, 4)
        // The test would check nothing if α_M did not move.
        XCTAssertLessThan(low, 0.9)
        XCTAssertGreaterThan(high, 1.1)
    }

    /// σ underflows at −800; the ratio does not.
    func testAlphaWhereSigmaUnderflows() throws {
        var it = AdaptiveBeta.Configuration.released
        it.filter = .none
        it.momentum = 0
        for responsiveness in [AdaptiveBeta.Responsiveness.ratioOfMean, .meanOfRatios] {
            it.responsiveness = responsiveness
            var controller = try AdaptiveBeta(it)
            _ = try controller.step(.margins([-800, -800]))
            try controller.commit()
            assertClose(try controller.step(.margins([-810, -810])).alphaModel / exp(-10), 1, 1e-10)
        }
        it.responsiveness = .ratioOfMean
        var controller = try AdaptiveBeta(it)
        _ = try controller.step(.margins([-8000]))
        try controller.commit()
        XCTAssertThrowsError(try controller.step(.margins([8000]))) { XCTAssertTrue("\($0)".contains("ceiling")) }
        it.ceiling = 1
        controller = try AdaptiveBeta(it)
        _ = try controller.step(.margins([-8000]))
        try controller.commit()
        XCTAssertEqual(try controller.step(.margins([8000])).beta, [1])
    }

    // MARK: SimPO and lengths

    func testLengthsDivide() throws {
        var it = AdaptiveBeta.Configuration.dpo
        it.loss = .simpo(margin: 0.5)
        it.beta = 2
        var controller = try AdaptiveBeta(it)
        let found = try controller.step(
            policyChosen: [-20], policyRejected: [-45], chosenLengths: [10], rejectedLengths: [15])
        // −20/10 + 45/15 = 1, x = 2 · 1 − 0.5.
        assertClose(found.margins[0], 1, 1e-15)
        assertClose(found.loss, log1p(exp(-1.5)), 1e-15)
        let slope = -2 / (1 + exp(1.5))
        assertClose(found.gradChosen[0], slope / 10, 1e-15)
        assertClose(found.gradRejected[0], -slope / 15, 1e-15)
    }

    // MARK: Bad input

    func testBadBatches() throws {
        var controller = try AdaptiveBeta()
        func assertFails(_ text: String, _ body: () throws -> AdaptiveBeta.Step, line: UInt = #line) {
            XCTAssertThrowsError(try body(), line: line) { XCTAssertTrue("\($0)".contains(text), "\($0)", line: line) }
        }
        assertFails("empty") { try controller.step(.margins([])) }
        assertFails("policyRejected has 1 values") {
            try controller.step(
                policyChosen: [1, 2], policyRejected: [1], referenceChosen: [1, 2], referenceRejected: [1, 2])
        }
        assertFails("reference") { try controller.step(policyChosen: [1], policyRejected: [1]) }
        assertFails("alpha_data of pair 1") { try controller.step(.margins([1, 2], alphaData: [1, .nan])) }
        assertFails("alpha_data of pair 0") { try controller.step(.margins([1, 2], alphaData: [0, 1])) }
        assertFails("outside the batch") { try controller.step(.margins([1, 2]), slice: 1..<3) }
        assertFails("both responses") {
            try controller.step(
                policyChosen: [1], policyRejected: [1], referenceChosen: [1], referenceRejected: [1],
                chosenLengths: [3])
        }
        assertFails("at least one token") {
            try controller.step(
                policyChosen: [1], policyRejected: [1], referenceChosen: [1], referenceRejected: [1],
                chosenLengths: [3], rejectedLengths: [0])
        }
        for combination in [AdaptiveBeta.Combination.dataOnly, .weightedSum] {
            var strict = try AdaptiveBeta(configuration { $0.combination = combination })
            assertFails("alpha_data") {
                try strict.step(policyChosen: [1], policyRejected: [1], referenceChosen: [1], referenceRejected: [1])
            }
        }
    }

    func testBadConfigurations() {
        let changes: [(inout AdaptiveBeta.Configuration) -> Void] = [
            { $0.beta = 0 }, { $0.beta = .nan }, { $0.beta = .infinity }, { $0.guardFactor = -1 },
            { $0.keep = .count(0) }, { $0.keep = .ratio(0) }, { $0.keep = .ratio(1.1) }, { $0.keep = .ratio(.nan) },
            { $0.slope = .infinity }, { $0.dataShare = 1.5 }, { $0.floor = -1 }, { $0.ceiling = 0 },
            {
                $0.floor = 2
                $0.ceiling = 1
            }, { $0.momentum = 1 }, { $0.momentum = -0.1 }, { $0.momentum = .nan },
            {
                $0.meanTime = .beforeUse
                $0.meanSource = .kept
            }, { $0.loss = .robust(flipRate: 0.6) },
        ]
        for (index, change) in changes.enumerated() {
            XCTAssertThrowsError(try AdaptiveBeta(configuration(change)), "change \(index)") {
                XCTAssertEqual(($0 as? DamaError)?.code, .invalidArgument)
            }
        }
    }
}
