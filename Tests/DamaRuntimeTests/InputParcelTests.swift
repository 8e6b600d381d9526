import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaRuntime

/// Inputs of a run that go to an emulated device in one copy.
final class InputParcelTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    /// A device that no other test uses.
    private static let device = Device.cuda(8)

    private func emulated() throws -> (OnnxRuntime, HostBackend) {
        DeviceEmulation.start(8)
        return (try OnnxRuntime.load(), try XCTUnwrap(DeviceEmulation.backend(8)))
    }

    private func bytes(_ value: TensorValue) throws -> [UInt8] {
        let host = try value.onHost()
        defer { withExtendedLifetime(host) {} }
        return try host.address.map { Array(UnsafeRawBufferPointer(start: $0, count: host.byteCount)) } ?? []
    }

    func testSmallInputsOfTheHostAreSentTogether() throws {
        let (runtime, backend) = try emulated()
        let large = InputParcel.most / 4 + 1
        let values = [
            try TensorValue(runtime, [7, -8, 9] as [Int64], shape: [3]),
            try TensorValue(runtime, [Float](repeating: 1, count: large), shape: [large]),
            try TensorValue(runtime, [0.5 as Float], shape: []),
            try TensorValue(runtime, [] as [Int64], shape: [0, 4]),
            try TensorValue(runtime, [true, false, true, true, false], shape: [5, 1]),
            try TensorValue(runtime, [3, 4] as [Float], shape: [2]).on(backend),
            try TensorValue(runtime, (0..<large - 1).map(Float.init), shape: [large - 1]),
        ]
        let before = try backend.memory(resets: true).used
        var sent = try InputParcel.sent(values, to: Self.device, runtime)
        XCTAssertEqual(
            sent.map(\.device), [Self.device, .cpu, Self.device, .cpu, Self.device, Self.device, Self.device])
        for (value, copy) in zip(values, sent) {
            XCTAssertEqual(copy.shape, value.shape)
            XCTAssertEqual(copy.elementType, value.elementType)
            XCTAssertEqual(try bytes(copy), try bytes(value))
        }
        for index in [1, 3, 5] { XCTAssertTrue(sent[index] === values[index]) }
        let addresses = try [0, 2, 4, 6].map { UInt(bitPattern: try sent[$0].address) }
        XCTAssertEqual(addresses.map { $0 - addresses[0] }, [0, 256, 512, 768])
        XCTAssertGreaterThan(try backend.memory(resets: false).used, before)
        sent = []
        XCTAssertEqual(try backend.memory(resets: false).used, before)
    }

    func testASingleSmallInputStays() throws {
        let (runtime, _) = try emulated()
        let x = try TensorValue(runtime, [1 as Float], shape: [1])
        XCTAssertTrue(try InputParcel.sent([x], to: Self.device, runtime)[0] === x)
        XCTAssertTrue(try InputParcel.sent([], to: Self.device, runtime).isEmpty)
    }

    func testADeviceWithoutMemoryIsAnError() throws {
        let (runtime, backend) = try emulated()
        let x = try TensorValue(runtime, [1 as Float], shape: [1])
        backend.setCapacity(0)
        defer { backend.setCapacity(nil) }
        assertFails(.outOfMemory, "cuda:8") { _ = try InputParcel.sent([x, x], to: Self.device, runtime) }
    }

    /// The results of a session do not depend on how its inputs arrive.
    func testASessionWithPackedInputs() throws {
        let (runtime, _) = try emulated()
        let inputs = [
            "i": try TensorValue(runtime, [-3, 1 << 40] as [Int64], shape: [2]),
            "b": try TensorValue(runtime, [true, false], shape: [2]),
            "d": try TensorValue(runtime, [0.5, -2] as [Double], shape: [2]),
            "u": try TensorValue(runtime, [0, 255] as [UInt8], shape: [2]),
        ]
        for packs in [true, false] {
            var options = SessionOptions()
            (options.device, options.packsInputs) = (Self.device, packs)
            let session = try Session(runtime, path: Fixtures.path("types.onnx"), options: options)
            let result = try session.run(inputs, outputs: ["nd", "i2", "uf"], resident: ["uf"])
            XCTAssertEqual(try result[0].array(of: Double.self), [-0.5, 2])
            XCTAssertEqual(try result[1].array(of: Int64.self), [-6, 1 << 41])
            XCTAssertEqual(result[2].device, Self.device)
            XCTAssertEqual(try result[2].onHost().array(of: Float.self), [0, 255])
        }
    }
}
