import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

/// Image features between the runs that compute and those that read them.
final class FeatureRowsTests: XCTestCase {
    override class func setUp() {
        TestRuntime.configure()
        DeviceEmulation.start(5)
    }

    private func tensor(_ numbers: [Float], _ shape: [Int]) throws -> TensorValue {
        try TensorValue(OnnxRuntime.load(), numbers, shape: shape)
    }

    func testReadingOnTheHost() throws {
        let whole = try tensor([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2])
        let parts = FeatureRows([try whole.part(1..<2), try whole.part(0..<1)])
        XCTAssertEqual(parts.count, 8)
        XCTAssertEqual(try parts.floats(), [5, 6, 7, 8, 1, 2, 3, 4])
        XCTAssertEqual(try parts.withFloats { Array($0) }, [5, 6, 7, 8, 1, 2, 3, 4])
        // One piece is read where it lies.
        let start = try whole.address.map(UInt.init(bitPattern:))
        XCTAssertEqual(
            try FeatureRows([whole]).withFloats { UInt(bitPattern: $0.baseAddress) }, start)
        XCTAssertEqual(FeatureRows().count, 0)
        XCTAssertEqual(try FeatureRows().floats(), [])
    }

    /// Pieces of the device and of the host, in each precision, in their order.
    func testJoiningOnADevice() throws {
        let runtime = try OnnxRuntime.load()
        let backend = try runtime.backend(.cuda(5))
        let host = try tensor([1, 2, 3, 4], [2, 2])
        for precision in [Precision.float32, .float16] {
            func halves(_ numbers: [Float], _ shape: [Int]) throws -> TensorValue {
                precision == .float32
                    ? try tensor(numbers, shape) : try TensorValue(runtime, numbers.map { Float16($0) }, shape: shape)
            }
            let resident = try halves([5, 6, 7, 8, 9, 10], [1, 3, 2]).on(backend)
            let joined = try FeatureRows.joined(
                [FeatureRows([host]), FeatureRows(), FeatureRows([resident, host])], width: 2, precision, on: backend,
                runtime)
            XCTAssertEqual(joined.device, .cuda(5))
            XCTAssertEqual(joined.shape, [7, 2])
            let found = try joined.onHost()
            let numbers =
                precision == .float32
                ? try found.array(of: Float.self) : try found.array(of: Float16.self).map { Float($0) }
            XCTAssertEqual(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 2, 3, 4])
        }
        let none = try FeatureRows.joined([FeatureRows()], width: 3, .float32, on: backend, runtime)
        XCTAssertEqual(none.shape, [1, 3])
        XCTAssertEqual(try none.onHost().array(of: Float.self), [0, 0, 0])
        assertFails(.internal, "4 numbers are not rows of 3") {
            _ = try FeatureRows.joined([FeatureRows([host])], width: 3, .float32, on: backend, runtime)
        }
    }
}
