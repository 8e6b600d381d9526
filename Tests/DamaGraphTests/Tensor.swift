import DamaRuntime
import DamaSupport

@testable import DamaGraph

/// Numbers of any type as doubles, with their shape.
struct Tensor: Equatable {
    var type: ElementType
    var shape: [Int]
    var values: [Double]

    init(_ values: [Double], _ shape: [Int], _ type: ElementType = .float32) {
        precondition(values.count == shape.reduce(1, *), "\(values.count) values for \(shape)")
        (self.type, self.shape, self.values) = (type, shape, values)
    }

    /// Normal numbers.
    init(random generator: inout RandomGenerator, _ shape: [Int], scale: Double = 1) {
        self.init((0..<shape.reduce(1, *)).map { _ in scale * generator.gaussian() }, shape)
    }

    /// Whole numbers of the type int64.
    init(integers: [Int], _ shape: [Int]) { self.init(integers.map(Double.init), shape, .int64) }

    func value(_ runtime: OnnxRuntime) throws -> TensorValue {
        switch type {
        case .float32: try TensorValue(runtime, values.map(Float.init), shape: shape)
        case .float16: try TensorValue(runtime, values.map { Float16($0) }, shape: shape)
        case .int64: try TensorValue(runtime, values.map { Int64($0) }, shape: shape)
        case .int32: try TensorValue(runtime, values.map { Int32($0) }, shape: shape)
        case .bool: try TensorValue(runtime, values.map { $0 != 0 }, shape: shape)
        case .uint8: try TensorValue(runtime, values.map { UInt8($0) }, shape: shape)
        default: throw DamaError.internal("no \(type) in these tests")
        }
    }

    init(_ value: TensorValue) throws {
        switch value.elementType {
        case .float32: self.init(try value.array(of: Float.self).map(Double.init), value.shape)
        case .float16:
            self.init(try value.array(of: Float16.self).map(Double.init), value.shape, .float16)
        case .int64: self.init(try value.array(of: Int64.self).map(Double.init), value.shape, .int64)
        case .bool: self.init(try value.array(of: Bool.self).map { $0 ? 1 : 0 }, value.shape, .bool)
        default: throw DamaError.internal("no \(value.elementType) in these tests")
        }
    }

    /// The largest difference, relative to the largest number.
    func distance(to other: Tensor) -> Double {
        guard shape == other.shape else { return .infinity }
        let scale = other.values.map(abs).max() ?? 0
        let distance = zip(values, other.values).map { abs($0 - $1) }.max() ?? 0
        return distance.isNaN || values.contains { !$0.isFinite } ? .infinity : distance / max(scale, 1e-30)
    }
}

extension Graph {
    /// Runs the graph in ONNX Runtime, in single precision.
    func run(_ feeds: [String: Tensor], threads: Int = 0) throws -> [String: Tensor] {
        let runtime = try OnnxRuntime.load()
        var options = SessionOptions()
        options.threads = threads
        options.registersKernels = kernels.fused
        let session = try Session(runtime, model: onnx(weights: .inputs), name: name, options: options)
        return try run(session, feeds)
    }

    func run(_ session: Session, _ feeds: [String: Tensor]) throws -> [String: Tensor] {
        let names = outputs.map(name(of:))
        let expected = Set(session.inputs.map(\.name))
        let values = try feeds.filter { expected.contains($0.key) }.mapValues { try $0.value(session.runtime) }
        let results = try session.run(values, outputs: names)
        return try Dictionary(uniqueKeysWithValues: zip(names, results.map(Tensor.init)))
    }
}
