import CDamaCuda
import CDamaShims
import DamaKernels
import DamaRuntime
import DamaSupport

/// The kernels of the optimizer on a device.
struct DeviceKernels: @unchecked Sendable {
    private let backend: any DeviceBackend
    private let table: cdama_kernels

    /// `nil` if the device's kernels cannot be compiled or loaded.
    init?(_ backend: any DeviceBackend) {
        self.backend = backend
        if backend.isHost {
            table = cdama_cpu_kernels
        } else {
            guard case .cuda(let ordinal) = backend.device, cdama_cuda_kernels_status(ordinal) == nil else {
                return nil
            }
            table = cdama_cuda_kernels
        }
    }

    /// Starts a kernel on the device's stream.
    private func start(
        _ kernel: (cdama_kernels, UnsafeMutableRawPointer?) -> UnsafePointer<CChar>?
    ) throws(DamaError) {
        try backend.working { () throws(DamaError) in
            if let reason = kernel(table, backend.stream) { throw .internal(String(cString: reason)) }
        }
    }

    /// Rounds fp32 numbers to the type of `target`.
    func cast(_ source: TensorValue, to target: TensorValue) throws(DamaError) {
        let (from, to) = (try source.address, try target.address)
        try start { table, stream in
            table.cast(
                stream, to, Int32(target.elementType.rawValue), from, Int32(source.elementType.rawValue), source.count)
        }
    }

    /// Adds Σ g² to the sum.
    func addSquares(of gradient: TensorValue, to sum: DeviceSum) throws(DamaError) {
        let (values, workspace, target) = (try gradient.address, try sum.workspace, try sum.target)
        try start { table, stream in
            table.sum_of_squares(
                stream, values, Int32(gradient.elementType.rawValue), gradient.count, workspace, target)
        }
    }

    func update(
        _ optimizer: AdamW, step: UInt64, value: TensorValue, gradient: TensorValue, first: TensorValue,
        second: TensorValue, working: TensorValue?
    ) throws(DamaError) {
        func floats(_ tensor: TensorValue) throws(DamaError) -> UnsafeMutablePointer<Float>? {
            try tensor.address?.assumingMemoryBound(to: Float.self)
        }
        let (to, g, m, v) = (try floats(value), try gradient.address, try floats(first), try floats(second))
        let rounded = try working?.address
        var numbers = try optimizer.numbers(step: step)
        try start { table, stream in
            table.adamw(
                stream, &numbers, to, g, Int32(gradient.elementType.rawValue), m, v, rounded,
                Int32((working ?? value).elementType.rawValue), value.count)
        }
    }

    /// table[rows[r]] += Σ values[positions[j]] for j in starts[r] ..< starts[r + 1].
    func addRows(
        _ values: TensorValue, to table: TensorValue, rows: TensorValue, starts: TensorValue, positions: TensorValue
    ) throws(DamaError) {
        func integers(_ tensor: TensorValue) throws(DamaError) -> UnsafePointer<Int64>? {
            UnsafePointer(try tensor.address?.assumingMemoryBound(to: Int64.self))
        }
        let (to, from) = (try table.address, try values.address)
        let (rowList, startList, positionList) = (try integers(rows), try integers(starts), try integers(positions))
        try start { kernels, stream in
            kernels.add_rows(
                stream, to, Int32(table.elementType.rawValue), from, Int32(values.elementType.rawValue), rowList,
                startList, positionList, rows.count, table.shape.last ?? 1)
        }
    }
}

/// A sum in double that kernels of a device add to.
final class DeviceSum {
    private let memory: DeviceMemory?
    private let backend: (any DeviceBackend)?
    /// The part that the host added.
    var host = 0.0

    /// - Parameter place: `nil` for a sum that only the host adds to.
    init(_ place: DevicePlace?) throws(DamaError) {
        guard let place, place.kernels != nil else {
            (memory, backend) = (nil, nil)
            return
        }
        let memory = try DeviceMemory(
            place.backend, byteCount: (Int(CDAMA_SQUARES_WORKSPACE) + 1) * MemoryLayout<Double>.size)
        try place.backend.clear(memory.start, byteCount: memory.byteCount)
        (self.memory, backend) = (memory, place.backend)
    }

    /// The sum's address.
    var target: UnsafeMutablePointer<Double> {
        get throws(DamaError) {
            guard let memory else { throw .internal("a sum of the host was passed to a device") }
            return memory.start.assumingMemoryBound(to: Double.self)
        }
    }

    /// Behind the sum.
    var workspace: UnsafeMutablePointer<Double> { get throws(DamaError) { try target + 1 } }

    /// The sum of all earlier work.
    func total() throws(DamaError) -> Double {
        guard let memory, let backend else { return host }
        var sum = 0.0
        let result = withUnsafeMutableBytes(of: &sum) { bytes -> Result<Void, DamaError> in
            do throws(DamaError) {
                return .success(try backend.copyOut(memory.start, to: bytes))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
        return host + sum
    }
}
