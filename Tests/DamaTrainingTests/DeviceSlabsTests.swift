import DamaKernels
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaRuntime
@testable import DamaTraining

/// Small parameters in shared memory against parameters in arrays.
final class DeviceSlabsTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    /// A device that no other test uses.
    private static let ordinal: Int32 = 9

    private func place(_ precision: Precision) throws -> DevicePlace {
        DeviceEmulation.start(Self.ordinal)
        return try DevicePlace(OnnxRuntime.load(), .cuda(Self.ordinal), precision, offloads: false)
    }

    /// Matrices that decay and vectors that do not, of sizes below, at and above the distance of their starts.
    private static let shapes = [[3, 5], [128], [16, 8], [1], [43, 3], [300], [2, 2, 33]]

    func testUpdatesOfASlab() throws {
        for precision in [Precision.float32, .float16, .bfloat16] {
            let place = try place(precision)
            try place.slabs.reserve(Self.shapes, on: place)
            var generator = RandomGenerator(seed: 5)
            var expected = Self.shapes.map { OptimizerNumbers(count: $0.reduce(1, *), &generator) }
            let found = try Self.shapes.map { try DeviceNumbers(place, shape: $0) }
            // All are written before one is read, so that none lies over another.
            for (numbers, parameter) in zip(expected, found) {
                XCTAssertTrue(parameter.isShared)
                try numbers.write(to: parameter)
            }
            for (numbers, parameter) in zip(expected, found) { try numbers.check(parameter, precision, "\(precision)") }
            XCTAssertEqual(found.map(\.working.shape), Self.shapes)
            for parameter in found {
                XCTAssertEqual(try UInt(bitPattern: parameter.working.address) % 256, 0)
                XCTAssertEqual(try UInt(bitPattern: parameter.gradient.address) % 256, 0)
            }

            let slabs = place.slabs.all
            XCTAssertEqual(slabs.map(\.decays), [true, false])
            XCTAssertEqual(slabs.map(\.tensors.working.count), [128 + 128 + 256 + 256, 128 + 128 + 384])
            let kernels = try XCTUnwrap(place.kernels)
            for step in 1...3 {
                for slab in slabs {
                    try slab.tensors.update(kernels, optimizer(decays: slab.decays), step: UInt64(step))
                }
                for index in expected.indices {
                    try expected[index].update(optimizer(decays: Self.shapes[index].count > 1), step: UInt64(step))
                    try expected[index].check(found[index], precision, "\(precision), step \(step)", tolerance: 1e-6)
                }
            }
            // What lies between parameters stays 0, so that it adds nothing to a sum of squares.
            for (slab, decays) in zip(slabs, [true, false]) {
                let held = Self.shapes.filter { ($0.count > 1) == decays }.reduce(0) { $0 + $1.reduce(1, *) }
                for tensor in [slab.tensors.gradient, slab.tensors.first, slab.tensors.second, slab.tensors.working] {
                    XCTAssertLessThanOrEqual(try tensor.bits().count { $0 != 0 }, held)
                }
            }
        }
    }

    private func optimizer(decays: Bool) -> AdamW {
        var optimizer = AdamW(learningRate: 1e-2)
        (optimizer.weightDecay, optimizer.gradientScale) = (decays ? 0.1 : 0, 0.5)
        return optimizer
    }

    /// Without room that was made for it, or above the size of a small one, a parameter has its own memory.
    func testParametersOnTheirOwn() throws {
        let place = try place(.float16)
        XCTAssertFalse(try DeviceNumbers(place, shape: [4, 4]).isShared)
        let most = DeviceSlabs.mostOfParameter
        try place.slabs.reserve([[most / 4, 4], [0, 3], [most + 1, 1]], on: place)
        XCTAssertEqual(place.slabs.all.map(\.tensors.working.count), [most])
        XCTAssertFalse(try DeviceNumbers(place, shape: [most + 1, 1]).isShared)
        XCTAssertFalse(try DeviceNumbers(place, shape: [0, 3]).isShared)
        XCTAssertTrue(try DeviceNumbers(place, shape: [most / 4, 4]).isShared)
        XCTAssertFalse(try DeviceNumbers(place, shape: [4, 4]).isShared)
    }

    func testLayout() {
        func layout(_ shapes: [[Int]]) -> [[Int]] { DeviceSlabs.layout(shapes).map { [$0.decays ? 1 : 0, $0.count] } }
        XCTAssertEqual(layout([]), [])
        XCTAssertEqual(layout([[16, 4096], [1], [4096, 16], [129]]), [[1, 131072], [0, 128 + 256]])
        XCTAssertEqual(layout([[Int.max, 3], [-1, 2], [2, 0]]), [])
        // 17 of the largest small parameters are more than a slab of 16.
        let (small, slab) = (DeviceSlabs.mostOfParameter, DeviceSlabs.mostOfSlab)
        XCTAssertEqual(slab, 16 * small)
        XCTAssertEqual(
            layout([[Int]](repeating: [small, 1], count: 17) + [[7]] + [[1, 1]]),
            [[1, slab], [1, small + 128], [0, 128]])
    }
}
