import DamaKernels
import DamaSupport
import DamaTestSupport
import XCTest

final class LearningRateScheduleTests: XCTestCase {
    /// transformers' get_scheduler; both compute in double.
    func testEqualsTransformers() throws {
        let cases = try XCTUnwrap(Fixtures.json("kernels.json")["schedules"]?.array)
        XCTAssertEqual(cases.count, 15)
        for item in cases {
            let name = try XCTUnwrap(item["kind"]?.string)
            let kind = try XCTUnwrap(
                ["constant": LearningRateSchedule.Kind.constant, "linear": .linear, "cosine": .cosine][name])
            let schedule = try LearningRateSchedule(
                kind, learningRate: 5e-7, totalSteps: UInt64(XCTUnwrap(item["total"]?.int)),
                warmUp: .steps(UInt64(XCTUnwrap(item["warmup"]?.int))))
            for (step, rate) in try XCTUnwrap(item["rates"]?.array).enumerated() {
                let expected = try XCTUnwrap(rate.double)
                XCTAssertEqual(schedule.rate(at: UInt64(step)), expected, accuracy: 1e-21, "\(name), step \(step)")
            }
        }
    }

    /// The paper's recipe: cosine, 10 % warm-up.
    func testWarmUpRatio() throws {
        let schedule = try LearningRateSchedule(
            .cosine, learningRate: 5e-7, totalSteps: 5501, warmUp: .ratio(0.1))
        XCTAssertEqual(schedule.warmUpSteps, 551)
        XCTAssertEqual(schedule.rate(at: 0), 0)
        XCTAssertEqual(schedule.rate(at: 551), 5e-7)
        XCTAssertEqual(schedule.rate(at: 551 + 2475), 2.5e-7, accuracy: 1e-20)
        XCTAssertEqual(schedule.rate(at: 5501), 0, accuracy: 1e-22)
        // After the end the rate does not change.
        XCTAssertEqual(schedule.rate(at: 9000), 0, accuracy: 1e-22)
        XCTAssertEqual(schedule.rate(at: .max), 0, accuracy: 1e-22)
    }

    func testBadInput() {
        XCTAssertThrowsError(try LearningRateSchedule(.linear, learningRate: -1, totalSteps: 1))
        XCTAssertThrowsError(try LearningRateSchedule(.linear, learningRate: .nan, totalSteps: 1))
        XCTAssertThrowsError(try LearningRateSchedule(.linear, learningRate: 1, totalSteps: 0))
        XCTAssertThrowsError(try LearningRateSchedule(.linear, learningRate: 1, totalSteps: 1, warmUp: .ratio(1.1)))
        XCTAssertThrowsError(try LearningRateSchedule(.linear, learningRate: 1, totalSteps: 1, warmUp: .ratio(.nan)))
    }
}
