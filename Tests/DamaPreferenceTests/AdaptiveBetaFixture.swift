import DamaPreference
import DamaSupport
import DamaTestSupport
import XCTest

/// The cases of make_adaptive_beta.py, and the batches that both sides generate with the same generator.
struct AdaptiveBetaFixture {
    let name: String
    let configuration: AdaptiveBeta.Configuration
    let count: Int
    let steps: [JSON]
    private let spoiled: [(step: Int, index: Int, value: Double)]
    private var generator: RandomGenerator
    private var step = 0

    static func load(_ file: String) throws -> [AdaptiveBetaFixture] {
        try XCTUnwrap(Fixtures.json(file).array).map { try AdaptiveBetaFixture($0) }
    }

    private init(_ json: JSON) throws {
        name = try XCTUnwrap(json["name"]?.string)
        count = try XCTUnwrap(json["count"]?.int)
        steps = try XCTUnwrap(json["steps"]?.array)
        generator = RandomGenerator(seed: UInt64(try XCTUnwrap(json["batch_seed"]?.int)))
        spoiled = try XCTUnwrap(json["spoiled"]?.array).map { entry in
            let entry = try XCTUnwrap(entry.array)
            let value = ["nan": Double.nan, "inf": .infinity, "-inf": -.infinity][entry[2].string ?? ""]
            return (try XCTUnwrap(entry[0].int), try XCTUnwrap(entry[1].int), try XCTUnwrap(value))
        }
        configuration = try Self.configuration(
            preset: XCTUnwrap(json["preset"]?.string), changes: XCTUnwrap(json["changes"]?.object))
    }

    /// The next batch: see `batch` in make_adaptive_beta.py.
    mutating func nextBatch() -> PairBatch {
        var it = PairBatch()
        for _ in 0..<count {
            let chosen = -Double(generator.next() >> 46) / 1024
            let rejected = -Double(generator.next() >> 46) / 1024
            it.referenceChosen.append(chosen)
            it.referenceRejected.append(rejected)
            it.policyChosen.append(chosen + (Double(generator.next() >> 50) - 8192) / 1024 + 4 + Double(step) / 4)
            it.policyRejected.append(rejected + (Double(generator.next() >> 50) - 8192) / 1024)
            it.alphaData.append(0.5 + Double(generator.next() >> 54) / 1024)
        }
        for spoil in spoiled where spoil.step == step { it.policyChosen[spoil.index] = spoil.value }
        step += 1
        return it
    }

    private static func configuration(preset: String, changes: JSONObject) throws -> AdaptiveBeta.Configuration {
        var it: AdaptiveBeta.Configuration =
            switch preset {
            case "paper": .paper
            case "released": .released
            case "beta_dpo": .betaDPO
            default: throw DamaError.invalidArgument("preset \(preset)")
            }
        func double(_ key: String) throws -> Double { try XCTUnwrap(changes[key]?.double, key) }
        func string(_ key: String) throws -> String { try XCTUnwrap(changes[key]?.string, key) }
        for (key, _) in changes.members {
            switch key {
            case "beta": it.beta = try double(key)
            case "gap": it.gap = try XCTUnwrap(["reward": .reward, "log_ratio": .logRatio][string(key)])
            case "normalize": it.normalizes = try XCTUnwrap(changes[key]?.bool)
            case "guard": it.guardFactor = try double(key)
            case "filter":
                it.filter = try XCTUnwrap(
                    [
                        "none": .none, "nearest": .nearest, "sample": .sample, "bottom": .bottom, "top": .top,
                        "random": .random,
                    ][string(key)])
            case "keep":
                if case .int(let count)? = changes[key] {
                    it.keep = .count(Int(count))
                } else {
                    it.keep = .ratio(try double(key))
                }
            case "responsiveness":
                it.responsiveness = try XCTUnwrap(
                    ["ratio_of_mean": .ratioOfMean, "mean_of_ratios": .meanOfRatios, "linear": .linear][string(key)])
            case "slope": it.slope = try double(key)
            case "mean_source": it.meanSource = try XCTUnwrap(["kept": .kept, "all": .all][string(key)])
            case "mean_time": it.meanTime = try XCTUnwrap(["after": .afterStep, "before": .beforeUse][string(key)])
            case "combine":
                it.combination = try XCTUnwrap(
                    [
                        "product": .product, "weighted": .weightedSum, "data": .dataOnly, "model": .modelOnly,
                        "none": .none,
                    ][string(key)])
            case "rho": it.dataShare = try double(key)
            case "floor": it.floor = try double(key)
            case "ceiling": it.ceiling = try double(key)
            case "momentum": it.momentum = try double(key)
            case "seed": it.seed = UInt64(try XCTUnwrap(changes[key]?.int))
            case "loss":
                let name = try string(key)
                let kind = try XCTUnwrap(PreferenceLoss.Kind.allCases.first { $0.name == name }, name)
                let parameter = changes["label_smoothing"] ?? changes["simpo_margin"]
                it.loss = PreferenceLoss(kind, parameter: parameter?.double ?? 0)
            case "label_smoothing", "simpo_margin": break
            default: throw DamaError.invalidArgument("field \(key)")
            }
        }
        return it
    }
}

/// Log-probabilities of a batch as arrays, and the call that takes them.
struct PairBatch {
    var policyChosen: [Double] = []
    var policyRejected: [Double] = []
    var referenceChosen: [Double] = []
    var referenceRejected: [Double] = []
    var alphaData: [Double] = []

    /// Pairs whose margins are these numbers.
    static func margins(_ margins: [Double], alphaData: [Double]? = nil) -> PairBatch {
        let zeros = margins.map { _ in 0.0 }
        return PairBatch(
            policyChosen: margins, policyRejected: zeros, referenceChosen: zeros, referenceRejected: zeros,
            alphaData: alphaData ?? margins.map { _ in 1 })
    }
}

extension AdaptiveBeta {
    mutating func step(_ batch: PairBatch, slice: Range<Int>? = nil) throws -> Step {
        try step(
            policyChosen: batch.policyChosen, policyRejected: batch.policyRejected,
            referenceChosen: batch.referenceChosen, referenceRejected: batch.referenceRejected,
            alphaData: batch.alphaData, slice: slice)
    }
}

/// Fails unless both are within `tolerance`, relative to the larger of 1 and the expected value.
func assertClose(
    _ found: Double, _ expected: Double, _ tolerance: Double, _ message: @autoclosure () -> String = "",
    file: StaticString = #filePath, line: UInt = #line
) {
    XCTAssertEqual(
        found, expected, accuracy: tolerance * max(1, abs(expected)), message(), file: file, line: line)
}
