import DamaModels
import DamaSupport

extension SafetensorsWriter.Tensor {
    /// The number of elements converted at a time.
    private static let piece = 1 << 22

    /// A weight with its bytes unchanged.
    static func frozen(_ tensor: TensorView) -> Self {
        Self(
            name: tensor.name, type: tensor.type, shape: tensor.shape, byteCount: tensor.bytes.count
        ) { sink throws(DamaError) in
            try withExtendedLifetime(tensor.owner) { () throws(DamaError) in try sink.append(tensor.bytes) }
        }
    }

    /// The value of a parameter.
    static func trained(_ parameter: Parameter, named name: String, shape: [Int], as type: WeightType) -> Self {
        Self(
            name: name, type: type, shape: shape, byteCount: parameter.count * ((type.bits ?? 0) / 8)
        ) { sink throws(DamaError) in
            let memory = try parameter.read(.value)
            defer { withExtendedLifetime(memory) {} }
            let values = memory.elements
            for start in stride(from: 0, to: values.count, by: piece) {
                let end = min(start + piece, values.count)
                try append(UnsafeBufferPointer(rebasing: values[start..<end]), of: name, as: type, to: &sink)
            }
        }
    }

    /// A weight plus the product of its adapter.
    static func merged(_ tensor: TensorView, _ product: LowRankProduct, as type: WeightType) -> Self {
        Self(
            name: tensor.name, type: type, shape: tensor.shape, byteCount: tensor.count * ((type.bits ?? 0) / 8)
        ) { sink throws(DamaError) in
            let columns = max(1, tensor.shape.last ?? 1)
            let rows = tensor.count / columns
            let step = max(1, piece / columns)
            let sums = try FloatMemory(count: min(step, rows) * columns)
            for row in stride(from: 0, to: rows, by: step) {
                let part = UnsafeMutableBufferPointer(rebasing: sums.elements[..<(min(step, rows - row) * columns)])
                try tensor.copyFloats(from: row * columns, into: part)
                product.add(from: row, to: part)
                try append(UnsafeBufferPointer(part), of: tensor.name, as: type, to: &sink)
            }
        }
    }

    /// Appends `values` as elements of `type`.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for a value that is not finite or too large for `type`, which would
    ///   make the file useless.
    private static func append(
        _ values: UnsafeBufferPointer<Float>, of name: String, as type: WeightType, to sink: inout FileSink
    ) throws(DamaError) {
        // Tests for the exponent of infinity and NaN in a loop without branches.
        var isFinite = true
        for value in values { isFinite = value.bitPattern & 0x7F80_0000 != 0x7F80_0000 && isFinite }
        guard isFinite else {
            throw .invalidArgument(
                "the weight \(JSON.string(name).text) contains NaN or infinity, so the policy is not exported"
            )
        }
        if type == .float32 {
            try sink.append(UnsafeRawBufferPointer(values))
        } else {
            let bytes: [UInt8]
            do {
                bytes = try SafetensorsWriter.encode(values, as: type)
            } catch {
                throw DamaError(
                    error.code, "the weight \(JSON.string(name).text): \(error.message); export it as another type")
            }
            try sink.append(bytes)
        }
    }
}
