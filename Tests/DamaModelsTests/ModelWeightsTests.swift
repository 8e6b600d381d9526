import DamaGraph
import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

/// Placements give the same results, and equal sessions are one.
final class ModelWeightsTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private let folder = try? TemporaryDirectory()
    private func path() throws -> String { try XCTUnwrap(folder).path + "/model.safetensors" }

    /// [2, 3], numbers that every type represents.
    private static let matrix: [Float] = [1, -0.5, 3, 0.25, 2, -4]

    /// A tensor "w" of `type`, after a tensor of `padding` bytes.
    private func write(_ type: WeightType, _ matrix: [Float] = matrix, padding: Int = 0) throws {
        let data: [UInt8] =
            switch type {
            case .float32: matrix.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) }
            case .float16: matrix.flatMap { withUnsafeBytes(of: Self.half($0).littleEndian, Array.init) }
            default: matrix.flatMap { withUnsafeBytes(of: UInt16($0.bitPattern >> 16).littleEndian, Array.init) }
            }
        var tensors = [("w", type.name, [2, 3], data)]
        if padding > 0 { tensors.insert(("a", "U8", [padding], [UInt8](repeating: 0, count: padding)), at: 0) }
        try write(tensors)
    }

    private func write(_ tensors: [(name: String, type: String, shape: [Int], data: [UInt8])]) throws {
        var entries: [String] = []
        var data: [UInt8] = []
        for tensor in tensors {
            let range = "[\(data.count), \(data.count + tensor.data.count)]"
            entries.append(
                "\"\(tensor.name)\": {\"dtype\": \"\(tensor.type)\", \"shape\": \(tensor.shape), \"data_offsets\": \(range)}"
            )
            data += tensor.data
        }
        var header = "{\(entries.joined(separator: ", "))}"
        while header.utf8.count % 8 != 0 { header += " " }
        let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init)
        try Files.writeAtomically(length + Array(header.utf8) + data, to: path())
    }

    /// The IEEE 754 binary16 bits of a number that is representable and not subnormal.
    private static func half(_ x: Float) -> UInt16 {
        let bits = x.bitPattern
        let exponent = Int((bits >> 23) & 0xFF) - 127 + 15
        return UInt16((bits >> 16) & 0x8000) | UInt16(exponent) << 10 | UInt16((bits >> 13) & 0x3FF)
    }

    private func product() throws -> Graph {
        let g = GraphBuilder("product")
        let x = try g.input("x", .float32, ["rows", 3])
        try g.output("y", g.linear(x, g.weight("matrix", .float32, [2, 3])))
        return g.graph
    }

    private func run(_ session: Session) throws -> [Float] {
        try session.run(
            ["x": TensorValue(session.runtime, [1, 2, 3] as [Float], shape: [1, 3])], outputs: ["y"])[0].array()
    }

    private func weights() throws -> ModelWeights {
        try ModelWeights.shared(WeightStore(file: path()), OnnxRuntime.load())
    }

    private func session(
        _ weights: ModelWeights, _ placement: ModelWeights.Placement,
        _ change: (inout SessionOptions) -> Void = { _ in }
    ) throws -> Session {
        var options = SessionOptions()
        change(&options)
        return try weights.session(product(), named: "product", placement: placement, options: options) { _ in "w" }
    }

    /// 1 · 1 − 2 · 0.5 + 3 · 3 and 1 · 0.25 + 2 · 2 − 3 · 4.
    private let expected: [Float] = [9, -7.75]

    // MARK: Placements

    func testEveryPlacementAndTypeGivesTheProduct() throws {
        for type in [WeightType.float32, .float16, .bfloat16] {
            // With an odd padding no session can map the tensor.
            for padding in [0, 4, 1] {
                try write(type, padding: padding)
                let weights = try weights()
                XCTAssertEqual(try run(session(weights, .mappedFile)), expected, "\(type) \(padding)")
                XCTAssertEqual(try run(session(weights, .host)), expected, "\(type) \(padding)")
                XCTAssertEqual(try weights.value("w", shape: [2, 3]).array(of: Float.self), Self.matrix)
            }
        }
    }

    func testAFileThatWasReplacedIsNotMapped() throws {
        try write(.float32)
        let weights = try weights()
        try write(.float32, Self.matrix.map { 2 * $0 })
        XCTAssertEqual(try run(session(weights, .mappedFile)), expected)
        XCTAssertEqual(try run(session(self.weights(), .mappedFile)), expected.map { 2 * $0 })
    }

    func testWeightsThatCannotBeUsed() throws {
        try write(.other("I16"))
        for placement in [ModelWeights.Placement.mappedFile, .host] {
            assertFails(.unsupported, "I16") { _ = try self.session(self.weights(), placement) }
            assertFails(.model, "has no tensor \"matrix\"") {
                _ = try self.weights().session(self.product(), named: "product", placement: placement)
            }
        }
        try write(.float32)
        let g = GraphBuilder("other")
        try g.output("y", g.linear(g.input("x", .float32, ["rows", 2]), g.weight("w", .float32, [3, 2])))
        for placement in [ModelWeights.Placement.mappedFile, .host] {
            assertFails(.model, "has the shape [2, 3], expected [3, 2]") {
                _ = try self.weights().session(g.graph, named: "other", placement: placement)
            }
        }
    }

    // MARK: Precision

    private func half(_ precision: Precision) throws -> ModelWeights {
        try ModelWeights.shared(WeightStore(file: path()), OnnxRuntime.load(), precision: precision)
    }

    /// Weights of the wanted type are not copied.
    func testWeightsOfTheSameTypeAreMapped() throws {
        for (type, precision) in [(WeightType.bfloat16, Precision.bfloat16), (.float16, .float16)] {
            for padding in [0, 1] {
                try write(type, padding: padding)
                let weights = try half(precision)
                let value = try weights.value("w", shape: [2, 3])
                XCTAssertEqual(value.elementType, precision.elementType)
                let file = try weights.store.tensor("w")
                try file.bytes.withMemoryRebound(to: UInt8.self) { stored in
                    let isMapped =
                        precision == .bfloat16
                        ? try value.withElements(of: BFloat16.self) { $0.baseAddress.map { UnsafeRawPointer($0) } }
                            == UnsafeRawPointer(stored.baseAddress)
                        : try value.withElements(of: Float16.self) { $0.baseAddress.map { UnsafeRawPointer($0) } }
                            == UnsafeRawPointer(stored.baseAddress)
                    XCTAssertEqual(isMapped, padding == 0, "\(type), \(padding)")
                }
            }
        }
    }

    /// To the nearest number, of two equally near ones to the even one; a NaN and infinities stay.
    func testRounding() throws {
        try write(.float32, [1 + 0x1p-8, 1 + 0x3p-8, -.infinity, .nan, 0x1.FEFFFEp127, -0.0])
        let bfloats = try half(.bfloat16).value("w", shape: [2, 3]).array(of: BFloat16.self).map(\.float)
        XCTAssertEqual(Array(bfloats[0..<3]), [1, 1 + 0x1p-6, -.infinity])
        XCTAssertTrue(bfloats[3].isNaN)
        XCTAssertEqual(bfloats[4], 0x1.FEp127)
        XCTAssertEqual(bfloats[5].bitPattern, Float(-0.0).bitPattern)
        try write(.float32, [1 + 0x1p-11, 1 + 0x3p-11, .infinity, .nan, 65519, 0x1p-25])
        let halves = try half(.float16).value("w", shape: [2, 3]).array(of: Float16.self)
        XCTAssertEqual(Array(halves[0..<3]), [1, 1 + 0x1p-9, .infinity])
        XCTAssertTrue(halves[3].isNaN)
        XCTAssertEqual(halves[4], 65504)
        XCTAssertEqual(halves[5], 0)
    }

    func testWeightsThatDoNotFit() throws {
        try write(.float32, [1, 2, 3, -65520, 5, 6])
        for placement in [ModelWeights.Placement.mappedFile, .host] {
            assertFails(
                .unsupported,
                "tensor \"w\" holds -65520.0, which is too large for float16; use the precision bfloat16 or float32"
            ) { _ = try self.session(self.half(.float16), placement) }
        }
        try write(.float32, [1, 2, 3, 0x1.FFp127, 5, 6])
        assertFails(.unsupported, "too large for bfloat16; use the precision float32") {
            _ = try self.half(.bfloat16).value("w", shape: [2, 3])
        }
    }

    func testSessionsInFloat16() throws {
        for type in [WeightType.float32, .float16, .bfloat16] {
            for padding in [0, 1] {
                try write(type, padding: padding)
                let weights = try half(.float16)
                // Small whole numbers and halves: exact in float16.
                XCTAssertEqual(try run(session(weights, .mappedFile)), expected, "\(type) \(padding)")
                XCTAssertEqual(try run(session(weights, .host)), expected, "\(type) \(padding)")
            }
        }
    }

    // MARK: Sharing

    func testEqualSessionsAreOne() throws {
        try write(.bfloat16)
        let weights = try weights()
        let first = try session(weights, .host)
        XCTAssertTrue(try session(self.weights(), .host) === first)
        XCTAssertFalse(try session(weights, .mappedFile) === first)
        XCTAssertFalse(try session(weights, .host) { $0.prepacking = false } === first)
        XCTAssertFalse(try session(weights, .host) { $0.configuration["session.set_denormal_as_zero"] = "0" } === first)
        XCTAssertTrue(try weights.value("w", shape: [2, 3]) === weights.value("w", shape: [2, 3]))
    }

    /// An equal graph over another tensor of the same shape gets another session.
    func testTheSameGraphOverOtherTensors() throws {
        func data(_ sign: Float) -> [UInt8] {
            Self.matrix.flatMap { withUnsafeBytes(of: (sign * $0).bitPattern.littleEndian, Array.init) }
        }
        try write([("a", "F32", [2, 3], data(1)), ("b", "F32", [2, 3], data(-1))])
        let weights = try weights()
        let found = try ["a", "b"].map { name in
            try run(weights.session(product(), named: "product", placement: .host) { _ in name })
        }
        XCTAssertEqual(found, [expected, expected.map { -$0 }])
    }

    func testSessionsLiveAsLongAsTheirUsers() throws {
        try write(.float32)
        let weights = try weights()
        weak var released: Session?
        do {
            let session = try session(weights, .host)
            released = session
            XCTAssertEqual(try run(session), expected)
        }
        XCTAssertNil(released)
        XCTAssertEqual(try run(session(weights, .host)), expected)
    }

    func testPoliciesOfTheSameFilesShareTheirSessions() throws {
        let policies = try (0..<2).map { _ in try Policy(directory: Fixtures.path("llava/default")) }
        let decoders = try policies.map { try XCTUnwrap($0.decoder as? LlamaDecoder) }
        for kind in [LlamaDecoder.Kind.logits, .generation] {
            XCTAssertTrue(try decoders[0].session(kind) === decoders[1].session(kind))
        }
        let weights = decoders[0].weights
        // One session each for scoring, generation and the vision tower.
        XCTAssertEqual(weights.sessions.withLock { $0.values.count { $0.session != nil } }, 3)
        withExtendedLifetime(policies) {}
    }
}
