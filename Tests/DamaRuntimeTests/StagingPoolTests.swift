import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaRuntime

/// Host memory for the inputs of a device's runs.
final class StagingPoolTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private let backend = HostBackend(.cuda(3), isGuarded: true)

    private func start(_ lease: StagingPool.Lease) -> UnsafeMutableRawPointer? { lease.memory.bytes.baseAddress }

    func testMemoryIsUsedAgain() throws {
        let pool = StagingPool()
        var first: StagingPool.Lease? = try pool.lease(1000, backend)
        let place = try XCTUnwrap(first.flatMap(start))
        let other = try pool.lease(1000, backend)
        XCTAssertNotEqual(start(other), place, "two leases at the same time")
        first = nil
        let smaller = try pool.lease(10, backend)
        XCTAssertEqual(start(smaller), place)
        XCTAssertGreaterThanOrEqual(smaller.memory.bytes.count, 1000)
        XCTAssertGreaterThanOrEqual(try pool.lease(5000, backend).memory.bytes.count, 5000)
    }

    func testTheLargestPiecesAreKept() throws {
        let pool = StagingPool()
        var leases = try [100, 300, 200].map { try pool.lease($0, backend) }
        let places = leases.map { start($0) }
        leases = []
        // Of three pieces two are kept, and the smallest that fits is taken.
        let (large, middle) = (try pool.lease(250, backend), try pool.lease(150, backend))
        XCTAssertEqual(start(large), places[1])
        XCTAssertEqual(start(middle), places[2])
    }

    func testTensorsForADevice() throws {
        let runtime = try OnnxRuntime.load()
        DeviceEmulation.start(6)
        for device in [Device.cpu, .cuda(6)] {
            let tensor = try TensorValue(runtime, for: device, .float32, shape: [2, 3])
            XCTAssertEqual(tensor.device, .cpu)
            try tensor.withMutableElements(of: Float.self) { _ = $0.update(fromContentsOf: [1, 2, 3, 4, 5, 6]) }
            XCTAssertEqual(try tensor.array(of: Float.self), [1, 2, 3, 4, 5, 6])
            XCTAssertEqual(try TensorValue(runtime, for: device, .float32, shape: [0, 3]).count, 0)
        }
    }
}
