import DamaImage
import DamaKernels
import DamaModels
import DamaPreference
import DamaRuntime
import DamaSupport
import DamaTestSupport
import TrainingTestSupport
import XCTest

@testable import DamaTraining

/// A plan against what training really allocates, with a device that is emulated.
final class MemoryPlanTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let models = [
        Fixtures.path("../../DamaModelsTests/Fixtures/llava/default"), Fixtures.path("../../../models/shapes-llava"),
    ]
    private static let image = ImageSource.path(Fixtures.path("../../DamaModelsTests/Fixtures/llava/image.png"))
    /// A device that no other test uses.
    private static let ordinal: Int32 = 6

    private func trainables() throws -> [Trainable] {
        [
            .full, .projector, .lora(try LowRankAdapters(rank: 4, alpha: 8, targets: ["all-linear"])),
            .lora(try LowRankAdapters(rank: 2, alpha: 8, targets: ["q_proj", "down_proj"], dropout: 0.25)),
        ]
    }

    private func policy(_ model: String, _ device: Device, _ precision: Precision) throws -> Policy {
        var options = PolicyOptions()
        (options.device, options.precision) = (device, precision)
        options.template = "llava-1.5"
        return try Policy(directory: model, options: options)
    }

    /// Pairs whose responses are equal, so that both have the same number of tokens.
    private func pairs(_ count: Int, _ policy: Policy) throws -> [PreparedPair] {
        let pair = PreferencePair(image: Self.image, prompt: "What is it?", chosen: "a red cat", rejected: "a red cat")
        return try policy.prepare([PreferencePair](repeating: pair, count: count))
    }

    private func step(_ pairs: [PreparedPair], _ policy: Policy) throws -> PlannedStep {
        var step = PlannedStep(policy.options.device)
        step.precision = policy.precision
        step.pairs = pairs.count
        let first = try XCTUnwrap(pairs.first)
        step.imageTokens = first.images.first?.tokenCount
        step.promptTokens = first.sequence.prefixLength - policy.imageTokens
        step.responseTokens = first.sequence.responses[0].range.count
        return step
    }

    /// Weights, moments and gradients: byte for byte what the emulated device holds, which allocates whole pages.
    func testWhatADeviceHolds() throws {
        DeviceEmulation.start(Self.ordinal)
        let backend = try XCTUnwrap(DeviceEmulation.backend(Self.ordinal))
        let page = max(4096, sysconf(Int32(_SC_PAGESIZE)))
        for model in Self.models {
            for trainable in try trainables() {
                for (precision, offloads) in [(Precision.float32, false), (.float16, false), (.float16, true)] {
                    let before = try backend.memory(resets: true).used
                    let base = try policy(model, .cuda(Self.ordinal), precision)
                    let trained = try TrainedPolicy(base, trainable, offloads: offloads)
                    let pairs = try pairs(2, base)
                    // Sessions that make inputs are opened by the first run.
                    let pass = try trained.forward(pairs)
                    var step = try step(pairs, base)
                    step.offloads = offloads
                    let plan = try MemoryPlan(model: model, trainable, step)
                    let held = try backend.memory(resets: false).used - before
                    let what = "\(model.suffix(12)), \(trainable.name), \(precision), \(offloads)"
                    XCTAssertEqual(
                        Int(held), plan.tensors.device.reduce(0) { $0 + ($1 + page - 1) / page * page }, what)
                    XCTAssertEqual(
                        plan[.trained].device,
                        trained.parameters.reduce(0) { $0 + $1.count } * precision.elementType.size, what)
                    XCTAssertEqual(plan.trainedCount, trained.parameters.reduce(0) { $0 + $1.count }, what)
                    try checkPass(pass, plan, trainable, base, what)
                }
            }
        }
    }

    /// The host: fp32 values, moments and gradients of parameters.
    func testWhatTheHostHolds() throws {
        for trainable in try trainables() {
            let base = try policy(Self.models[1], .cpu, .float32)
            let trained = try TrainedPolicy(base, trainable)
            let pairs = try pairs(3, base)
            let plan = try MemoryPlan(model: Self.models[1], trainable, step(pairs, base))
            let numbers = trained.parameters.reduce(0) { $0 + $1.count }
            XCTAssertEqual(plan[.trained].host, 4 * numbers)
            XCTAssertEqual(plan[.gradients].host, 4 * numbers)
            XCTAssertEqual(plan[.moments].host, 8 * numbers)
            XCTAssertEqual(plan[.masters].host, 0)
            XCTAssertEqual(plan.total.device, 0)
            try checkPass(trained.forward(pairs), plan, trainable, base, trainable.name)
        }
    }

    /// What a pass keeps, to the byte.
    private func checkPass(
        _ pass: ForwardPass, _ plan: MemoryPlan, _ trainable: Trainable, _ base: Policy, _ what: String
    ) throws {
        let content = try pass.take()
        let found = content.decoder.byteCount + (content.vision?.pass.byteCount ?? 0)
        XCTAssertEqual(plan.runs, [content.pairs.count], what)
        XCTAssertEqual(plan.tokens, content.length, what)
        let (kept, logits) = (plan[.activations], plan[.logits])
        XCTAssertEqual(kept.device + kept.host + logits.device + logits.host, found, what)
    }

    func testRecomputedActivations() throws {
        DeviceEmulation.start(Self.ordinal)
        for (device, precision) in [(Device.cpu, Precision.float32), (.cuda(Self.ordinal), .float16)] {
            for trainable in try trainables() {
                let base = try policy(Self.models[1], device, precision)
                let trained = try TrainedPolicy(base, trainable, activations: .recompute)
                let pairs = try pairs(2, base)
                var step = try step(pairs, base)
                let all = try MemoryPlan(model: Self.models[1], trainable, step)
                step.activations = .recompute
                let plan = try MemoryPlan(model: Self.models[1], trainable, step)
                try checkPass(trained.forward(pairs), plan, trainable, base, "\(trainable.name) on \(device)")
                XCTAssertLessThan(
                    plan[.activations].device + plan[.activations].host,
                    all[.activations].device + all[.activations].host)
            }
        }
    }

    /// Half as many tokens in a run are two runs; what they keep adds up, and a run holds less beside it.
    func testRuns() throws {
        var step = PlannedStep(.cuda(Self.ordinal))
        (step.pairs, step.tokensPerRun) = (8, 1 << 20)
        let whole = try MemoryPlan(model: Self.models[1], .full, step)
        XCTAssertEqual(whole.runs, [8])
        step.tokensPerRun = 4 * whole.tokens
        let halves = try MemoryPlan(model: Self.models[1], .full, step)
        XCTAssertEqual(halves.runs, [4, 4])
        XCTAssertEqual(halves[.logits], whole[.logits])
        XCTAssertEqual(halves[.activations].device, whole[.activations].device)
        XCTAssertLessThan(halves[.workspace].device, whole[.workspace].device)
    }

    func testRunsAreThoseOfTraining() {
        for (pairs, length, budget) in [(1, 10, 5), (5, 10, 40), (16, 824, 4096), (8, 7, 1 << 20), (7, 10, 29)] {
            XCTAssertEqual(
                MemoryPlan.runs(of: pairs, length: length, budget: budget),
                LengthBatches.plan([Int](repeating: length, count: pairs), budget: budget).map(\.count),
                "\(pairs) pairs of \(length) tokens, \(budget) in a run")
        }
    }

    func testWhatCannotBePlanned() throws {
        var step = PlannedStep()
        step.pairs = 0
        XCTAssertThrowsError(try MemoryPlan(model: Self.models[1], .full, step)) {
            XCTAssertEqual("\($0)", "the number of pairs is 0; a plan takes 1 to 65536")
        }
        XCTAssertThrowsError(try MemoryPlan(model: Self.models[1], .patterns(["nothing"]), PlannedStep())) {
            XCTAssertTrue("\($0)".contains("no weight of"), "\($0)")
        }
        step = PlannedStep(.cpu)
        step.precision = .bfloat16
        XCTAssertThrowsError(try MemoryPlan(model: Self.models[1], .full, step))
        step = PlannedStep()
        (step.pairs, step.promptTokens, step.responseTokens) = (65536, 1 << 31, 1 << 31)
        step.tokensPerRun = 1 << 40
        XCTAssertThrowsError(try MemoryPlan(model: Self.models[1], .full, step)) {
            XCTAssertEqual(($0 as? DamaError)?.code, .outOfMemory, "\($0)")
        }
    }

    /// With each setting alone, then with all: every plan that is named is smaller than the step.
    func testAdvice() throws {
        let networks = try ModelNetworks.read(directory: Self.models[1])
        let adapters = try LowRankAdapters(rank: 4, alpha: 8, targets: ["all-linear"])
        let advice = try MemoryAdvice(networks, .lora(adapters), PlannedStep(), name: "it")
        XCTAssertEqual(
            advice.changes.map(\.setting),
            ["activations: recompute", "offload: true", "tokens_per_run: 360", "batch_size: 8", "all of these"])
        XCTAssertTrue(advice.changes.allSatisfy { $0.bytes < advice.planned })
        XCTAssertEqual(advice.changes.last?.bytes, advice.changes.map(\.bytes).min())
        XCTAssertTrue(advice.text(total: 1).hasSuffix("and no setting makes it fit"))
        let text = advice.text(total: advice.planned - 1)
        XCTAssertTrue(text.contains("activations: recompute takes "), text)
    }
}
