import DamaKernels
import DamaSupport
import XCTest

@testable import DamaRuntime
@testable import DamaTraining

/// What an optimizer reads and writes of a parameter, in arrays: the oracle of those that work on devices, through
/// ``AdamW`` over whole arrays and Swift's own rounding.
struct OptimizerNumbers {
    var value: [Float], first: [Float], second: [Float], gradient: [Float]

    init(count: Int, _ generator: inout RandomGenerator) {
        // Small values and tiny ones, which are subnormal in fp16.
        value = (0..<count).map { Float(generator.gaussian()) * ($0.isMultiple(of: 5) ? 1e-6 : 1) }
        gradient = (0..<count).map { _ in Float(generator.gaussian()) }
        first = value.map { _ in 0 }
        second = first
    }

    mutating func update(_ optimizer: AdamW, step: UInt64) throws {
        try optimizer.update(
            step: step, parameters: &value, gradients: gradient, firstMoments: &first, secondMoments: &second)
    }

    func write(to parameter: DeviceNumbers) throws {
        try parameter.set(.value) { _ = $0.update(fromContentsOf: value) }
        try parameter.set(.firstMoment) { _ = $0.update(fromContentsOf: first) }
        try parameter.set(.secondMoment) { _ = $0.update(fromContentsOf: second) }
        let status = gradient.withUnsafeBytes { source in Result { try parameter.gradient.copyIn(source) } }
        try status.get()
    }

    /// - Parameter tolerance: relative to a number, or to the 0.01 by which a step moves values. The kernels of the CPU
    ///   fuse multiplications and additions where it can, those of an emulated device do not. 0: bit for bit.
    func check(_ found: DeviceNumbers, _ precision: Precision, _ what: String, tolerance: Float = 0) throws {
        let held = try found.read(.value).array
        check(held, value, "value of \(what)", tolerance)
        check(try found.read(.firstMoment).array, first, "first moment of \(what)", tolerance)
        check(try found.read(.secondMoment).array, second, "second moment of \(what)", tolerance)
        XCTAssertEqual(try found.working.bits(), rounded(held, precision), what)
    }

    private func check(_ found: [Float], _ expected: [Float], _ what: String, _ tolerance: Float) {
        guard tolerance > 0 else { return XCTAssertEqual(bits(found), bits(expected), what) }
        XCTAssertEqual(found.count, expected.count, what)
        for (a, b) in zip(found, expected) { XCTAssertEqual(a, b, accuracy: tolerance * (abs(b) + 1e-2), what) }
    }

    private func rounded(_ numbers: [Float], _ precision: Precision) -> [UInt32] {
        numbers.map { number in
            switch precision {
            case .float32: number.bitPattern
            case .float16: UInt32(Float16(number).bitPattern)
            case .bfloat16: UInt32(BFloat16(number).bits)
            }
        }
    }

    private func bits(_ numbers: [Float]) -> [UInt32] { numbers.map(\.bitPattern) }
}

extension TensorValue {
    /// The bits of numbers, wherever they lie.
    func bits() throws -> [UInt32] {
        let size = elementType.size
        var bytes = [UInt8](repeating: 0, count: byteCount)
        let status = bytes.withUnsafeMutableBytes { target in Result { try copyOut(target) } }
        try status.get()
        return stride(from: 0, to: bytes.count, by: size).map { start in
            bytes[start..<start + size].reversed().reduce(0) { $0 << 8 | UInt32($1) }
        }
    }
}
