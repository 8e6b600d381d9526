import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaRuntime

final class SessionTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private func model(_ name: String) throws -> [UInt8] { try Files.read(Fixtures.path("\(name).onnx")) }

    /// y = x w + b with w = [[1, 2], [3, 4], [5, 6]] and b = [10, 20].
    private func externalSession(
        _ runtime: OnnxRuntime, _ memory: Weights = Weights([1, 2, 3, 4, 5, 6, 10, 20]), copies: Bool = false,
        on backend: (any DeviceBackend)? = nil
    ) throws -> Session {
        var options = SessionOptions()
        options.prepacking = false
        if copies { options.copiesInitializers = true }
        options.initializers["w"] = try TensorValue(
            runtime, borrowing: memory.bytes(0, 6), type: .float32, shape: [3, 2], owner: memory)
        options.initializers["b"] = try TensorValue(
            runtime, borrowing: memory.bytes(6, 2), type: .float32, shape: [2], owner: memory)
        if let backend {
            options.device = backend.device
            for (name, value) in options.initializers { options.initializers[name] = try value.on(backend) }
        }
        return try Session(runtime, model: try model("external"), name: "external", options: options)
    }

    func testRunsWithWeightsOfTheCaller() throws {
        let runtime = try OnnxRuntime.load()
        let session = try externalSession(runtime)
        XCTAssertEqual(session.inputs, [.init(name: "x", elementType: .float32, shape: [nil, 3])])
        XCTAssertEqual(session.outputs, [.init(name: "y", elementType: .float32, shape: [nil, 2])])
        let x = try TensorValue(runtime, [1, 0, 0, 1, 1, 1] as [Float], shape: [2, 3])
        let y = try session.run(["x": x], outputs: ["y"])
        XCTAssertEqual(y[0].shape, [2, 2])
        XCTAssertEqual(try y[0].array(of: Float.self), [11, 22, 19, 32])
    }

    func testWeightsAreUsedWhereTheyLie() throws {
        let runtime = try OnnxRuntime.load()
        let memory = Weights([1, 2, 3, 4, 5, 6, 10, 20])
        let session = try externalSession(runtime, memory)
        // A copy would keep the old values.
        memory.elements[0] = 7
        memory.elements[7] = 30
        let x = try TensorValue(runtime, [1, 0, 0] as [Float], shape: [1, 3])
        XCTAssertEqual(try session.run(["x": x], outputs: ["y"])[0].array(of: Float.self), [17, 32])
    }

    func testWeightsAreCopiedOnRequest() throws {
        let runtime = try OnnxRuntime.load()
        let memory = Weights([1, 2, 3, 4, 5, 6, 10, 20])
        let session = try externalSession(runtime, memory, copies: true)
        // The runtime copies small values into the graph, so a later change shows whether they were copied.
        memory.elements[0] = 7
        memory.elements[7] = 30
        let x = try TensorValue(runtime, [1, 0, 0] as [Float], shape: [1, 3])
        XCTAssertEqual(try session.run(["x": x], outputs: ["y"])[0].array(of: Float.self), [11, 22])
    }

    /// Elsewhere the runtime uses weights where they lie, which has to be on the session's device.
    func testWeightsOnADeviceAreUsedThere() throws {
        DeviceEmulation.start(7)
        let runtime = try OnnxRuntime.load()
        let backend = try runtime.backend(.cuda(7))
        let memory = Weights([1, 2, 3, 4, 5, 6, 10, 20])
        let before = try backend.memory(resets: true).used
        let session = try externalSession(runtime, memory, copies: false, on: backend)
        XCTAssertGreaterThan(try backend.memory(resets: false).peak, before)
        let x = try TensorValue(runtime, [1, 0, 0] as [Float], shape: [1, 3])
        XCTAssertEqual(try session.run(["x": x], outputs: ["y"])[0].array(of: Float.self), [11, 22])
        let resident = try session.run(["x": x], outputs: ["y"], resident: ["y"])[0]
        XCTAssertEqual(resident.device, .cuda(7))
        assertFails(.internal, "was read on the host") { _ = try resident.array(of: Float.self) }
        XCTAssertEqual(try resident.onHost().array(of: Float.self), [11, 22])
    }

    func testASessionFromAFileAndEachElementType() throws {
        let runtime = try OnnxRuntime.load()
        let session = try Session(runtime, path: Fixtures.path("types.onnx"))
        let result = try session.run(
            [
                "i": TensorValue(runtime, [-3, 1 << 40] as [Int64], shape: [2]),
                "b": TensorValue(runtime, [true, false], shape: [2]),
                "d": TensorValue(runtime, [0.5, -2] as [Double], shape: [2]),
                "u": TensorValue(runtime, [0, 255] as [UInt8], shape: [2]),
            ], outputs: ["uf", "nd", "nb", "i2"])
        XCTAssertEqual(try result[0].array(of: Float.self), [0, 255])
        XCTAssertEqual(try result[1].array(of: Double.self), [-0.5, 2])
        XCTAssertEqual(try result[2].array(of: Bool.self), [false, true])
        XCTAssertEqual(try result[3].array(of: Int64.self), [-6, 1 << 41])
    }

    func testEmptyTensors() throws {
        let runtime = try OnnxRuntime.load()
        let x = try TensorValue(
            runtime, borrowing: UnsafeRawBufferPointer(start: nil, count: 0), type: .float32, shape: [0, 3], owner: nil)
        let y = try externalSession(runtime).run(["x": x], outputs: ["y"])
        XCTAssertEqual(y[0].shape, [0, 2])
        XCTAssertEqual(try y[0].array(of: Float.self), [])
    }

    func testOutputsAreWrittenIntoTensorsOfTheCaller() throws {
        let runtime = try OnnxRuntime.load()
        let session = try externalSession(runtime)
        let x = try TensorValue(runtime, [1, 0, 0, 1, 1, 1] as [Float], shape: [2, 3])
        let memory = Weights([0, 0, 0, 0])
        let target = try TensorValue(
            runtime, borrowing: memory.bytes(0, 4), type: .float32, shape: [2, 2], owner: memory)
        let y = try session.run(["x": x], outputs: ["y"], into: ["y": target])
        XCTAssertTrue(y[0] === target)
        XCTAssertEqual(Array(memory.elements), [11, 22, 19, 32])
        let short = try TensorValue(
            runtime, borrowing: memory.bytes(0, 2), type: .float32, shape: [1, 2], owner: memory)
        // The error's kind and text differ between versions of the runtime.
        XCTAssertThrowsError(try session.run(["x": x], outputs: ["y"], into: ["y": short])) {
            expect($0, "ONNX Runtime: ")
        }

        // Together with outputs that the runtime allocates, whose order is kept.
        let types = try Session(runtime, path: Fixtures.path("types.onnx"))
        let negated = try TensorValue(runtime, [0, 0] as [Double], shape: [2])
        let result = try types.run(
            [
                "i": TensorValue(runtime, [-3, 1 << 40] as [Int64], shape: [2]),
                "b": TensorValue(runtime, [true, false], shape: [2]),
                "d": TensorValue(runtime, [0.5, -2] as [Double], shape: [2]),
                "u": TensorValue(runtime, [0, 255] as [UInt8], shape: [2]),
            ], outputs: ["uf", "nd", "nb"], into: ["nd": negated])
        XCTAssertEqual(try result[0].array(of: Float.self), [0, 255])
        XCTAssertTrue(result[1] === negated)
        XCTAssertEqual(try negated.array(of: Double.self), [-0.5, 2])
        XCTAssertEqual(try result[2].array(of: Bool.self), [false, true])
    }

    func testBindingWritesIntoTheCallersMemory() throws {
        let runtime = try OnnxRuntime.load()
        let binding = try Binding(try externalSession(runtime))
        let target = Weights([0, 0])
        try binding.bind(input: "x", to: TensorValue(runtime, [0, 1, 0] as [Float], shape: [1, 3]))
        try binding.bind(
            output: "y",
            to: TensorValue(runtime, borrowing: target.bytes(0, 2), type: .float32, shape: [1, 2], owner: target))
        try binding.run()
        XCTAssertEqual(Array(target.elements), [13, 24])

        try binding.bind(input: "x", to: TensorValue(runtime, [0, 0, 1] as [Float], shape: [1, 3]))
        try binding.bind(output: "y", on: .cpu)
        try binding.run()
        XCTAssertEqual(try binding.outputs()["y"]?.array(of: Float.self), [15, 26])
    }

    func testARunIsStoppedFromAnotherThread() throws {
        let runtime = try OnnxRuntime.load()
        let session = try Session(runtime, model: try model("loop"), name: "loop")
        let x = try TensorValue(runtime, [0 as Float], shape: [1])
        let few = try session.run(["x": x, "steps": TensorValue(runtime, [10 as Int64], shape: [])], outputs: ["y"])
        XCTAssertEqual(try few[0].array(of: Float.self), [10])

        // Without the stop it would run for more than ten minutes.
        let many = try TensorValue(runtime, [1 << 40 as Int64], shape: [])
        let options = try RunOptions(runtime)
        DispatchQueue.global().asyncAfter(deadline: .now() + 0.1) { options.cancel() }
        XCTAssertThrowsError(try session.run(["x": x, "steps": many], outputs: ["y"], options: options)) {
            XCTAssertEqual($0 as? DamaError, .cancelled)
        }
    }

    func testWhatTheRuntimeRefusesIsOneLine() throws {
        let runtime = try OnnxRuntime.load()
        let session = try externalSession(runtime)
        let wrong = try TensorValue(runtime, [1, 2] as [Float], shape: [1, 2])
        XCTAssertThrowsError(try session.run(["x": wrong], outputs: ["y"])) { expect($0, "dimensions") }
        XCTAssertThrowsError(try session.run(["z": wrong], outputs: ["y"])) { expect($0, "z") }
        XCTAssertThrowsError(try session.run([:], outputs: ["nothing"])) { expect($0, "nothing") }
        XCTAssertThrowsError(try Session(runtime, model: [1, 2, 3], name: "broken")) { expect($0, "broken: ") }
        XCTAssertThrowsError(try Session(runtime, model: [], name: "empty")) { expect($0, "empty: ") }
        XCTAssertThrowsError(try Session(runtime, path: "/nowhere/model.onnx")) { expect($0, "is not a file") }
        XCTAssertThrowsError(try Session(runtime, path: "/tmp")) { expect($0, "is not a file") }
        // The external weights are missing.
        XCTAssertThrowsError(try Session(runtime, model: try model("external"), name: "external")) {
            expect($0, "external: ")
        }
    }

    func testShapesThatCannotBe() throws {
        let runtime = try OnnxRuntime.load()
        for shape in [[-1], [Int.max, 2], [1 << 31, 1 << 31, 4]] {
            assertFails(.shapeMismatch, "no tensor can have") {
                _ = try TensorValue(runtime, allocating: .float32, shape: shape)
            }
        }
        assertFails(.shapeMismatch, "2 were given") {
            _ = try TensorValue(runtime, [1, 2] as [Float], shape: [3])
        }
        let memory = Weights([1, 2])
        assertFails(.shapeMismatch, "takes 12 bytes; 8 were given") {
            _ = try TensorValue(runtime, borrowing: memory.bytes(0, 2), type: .float32, shape: [3], owner: memory)
        }
    }

    private func expect(_ error: any Error, _ text: String, line: UInt = #line) {
        guard let error = error as? DamaError else { return XCTFail("\(error)", line: line) }
        XCTAssertTrue(error.message.contains(text), error.message, line: line)
        XCTAssertFalse(error.message.contains("\n"), error.message, line: line)
    }
}

/// Memory borrowed by tensors.
private final class Weights {
    let elements: UnsafeMutableBufferPointer<Float>

    init(_ values: [Float]) {
        elements = .allocate(capacity: values.count)
        _ = elements.initialize(from: values)
    }

    deinit { elements.deallocate() }

    func bytes(_ start: Int, _ count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(elements)[start * 4..<(start + count) * 4])
    }
}
