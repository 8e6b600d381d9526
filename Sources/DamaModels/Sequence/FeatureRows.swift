import DamaKernels
import DamaRuntime
import DamaSupport

/// The rows that replace the embeddings of image placeholders, in pieces that share the memory of the runs that computed
/// them: on the host in float32, or where the decoder reads them on a device.
package struct FeatureRows: Sendable {
    /// [rows, hidden] each, or a shape with more axes before the innermost.
    package private(set) var pieces: [TensorValue]

    package init(_ pieces: [TensorValue] = []) { self.pieces = pieces }

    /// Numbers, not rows.
    package var count: Int { pieces.reduce(0) { $0 + $1.count } }

    static func + (a: FeatureRows, b: FeatureRows) -> FeatureRows { FeatureRows(a.pieces + b.pieces) }

    mutating func append(_ piece: TensorValue) { pieces.append(piece) }

    // MARK: Reading

    /// The numbers on the host, for reading. A single piece is not copied.
    package func withFloats<Result>(
        _ body: (UnsafeBufferPointer<Float>) throws(DamaError) -> Result
    ) throws(DamaError) -> Result {
        if pieces.count == 1 { return try pieces[0].withElements(of: Float.self, body) }
        let numbers = try floats()
        return try numbers.withUnsafeBufferPointer(body)
    }

    package func floats() throws(DamaError) -> [Float] {
        var numbers: [Float] = []
        numbers.reserveCapacity(count)
        for piece in pieces { try piece.withElements(of: Float.self) { numbers += $0 } }
        return numbers
    }

    /// The rows of several items one after the other on a device: [rows, width]; one row of zeros if there are none.
    static func joined(
        _ items: [FeatureRows], width: Int, _ precision: Precision, on backend: any DeviceBackend,
        _ runtime: OnnxRuntime
    ) throws(DamaError) -> TensorValue {
        let (type, pieces) = (precision.elementType, items.flatMap(\.pieces))
        let count = pieces.reduce(0) { $0 + $1.count }
        let rows = try TensorValue(backend, runtime, type, shape: [max(1, count / max(1, width)), width])
        guard count > 0, let target = try rows.address else {
            try rows.clear()
            return rows
        }
        guard count == rows.count else { throw .internal("\(count) numbers are not rows of \(width)") }
        var start = 0
        for piece in pieces {
            let (end, place) = (start + piece.byteCount / piece.elementType.size * type.size, target + start)
            start = end
            guard let from = try piece.address else { continue }
            if piece.device == backend.device, piece.elementType == type {
                try backend.copy(from, to: place, byteCount: piece.byteCount)
            } else {
                let rounded = try piece.onHost().rounded(to: precision)
                guard let from = try rounded.address else { continue }
                try backend.copyIn(UnsafeRawBufferPointer(start: from, count: rounded.byteCount), to: place)
            }
        }
        return rows
    }
}

extension TensorValue {
    /// A tensor of float32 on the CPU in another precision.
    fileprivate func rounded(to precision: Precision) throws(DamaError) -> TensorValue {
        if elementType == precision.elementType { return self }
        guard elementType == .float32 else { throw .internal("image features are \(elementType)") }
        let result = try TensorValue(runtime, allocating: precision.elementType, shape: shape)
        guard let target = try result.address else { return result }
        let rounded = try RoundedNumbers(target, precision.elementType)
        try withElements(of: Float.self) { numbers throws(DamaError) in
            guard let start = numbers.baseAddress else { return }
            try rounded.write(start, count: numbers.count)
        }
        return result
    }
}

// MARK: - Vision parts

extension Device {
    /// The output `features` of a vision part's graph, if it stays on the device in the type that the graph computes in.
    package func residentFeatures(_ features: String) -> Set<String> { self == .cpu ? [] : [features] }
}

extension Session {
    /// Runs a vision part: its features, where the decoder reads them.
    func features(
        _ inputs: [String: TensorValue], _ name: String, _ options: RunOptions?
    ) throws(DamaError) -> TensorValue {
        try run(inputs, outputs: [name], resident: device.residentFeatures(name), options: options)[0]
    }
}
