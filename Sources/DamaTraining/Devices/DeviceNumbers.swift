import DamaKernels
import DamaRuntime
import DamaSupport

/// A device, and how parameters lie on it.
struct DevicePlace: Sendable {
    let runtime: OnnxRuntime
    let backend: any DeviceBackend
    /// The kernels that update parameters there; `nil` if there are none.
    let kernels: DeviceKernels?
    /// The type in which graphs take the parameters.
    let type: ElementType
    /// Updates the parameters on the host, which keeps their fp32 values and moments, so that the device holds only
    /// what runs need; `nil` if the device does all that.
    let offload: OffloadPipeline?
    /// The memory that small parameters share which the device updates.
    let slabs = DeviceSlabs()

    /// Whether the device is the CPU.
    var isHost: Bool { backend.device == .cpu }

    /// - Parameters:
    ///   - offloads: true is also assumed if the device has no kernels.
    ///   - piece: numbers of a piece of ``OffloadPipeline``.
    init(
        _ runtime: OnnxRuntime, _ device: Device, _ precision: Precision, offloads: Bool,
        piece: Int = OffloadPipeline.usualPiece
    ) throws(DamaError) {
        self.init(runtime, try runtime.backend(device), precision, offloads: offloads, piece: piece)
    }

    init(
        _ runtime: OnnxRuntime, _ backend: any DeviceBackend, _ precision: Precision, offloads: Bool, piece: Int
    ) {
        self.runtime = runtime
        self.backend = backend
        kernels = DeviceKernels(backend)
        type = precision.elementType
        offload = offloads || kernels == nil ? OffloadPipeline(backend, type, piece: piece) : nil
    }
}

extension DevicePlace {
    /// Row numbers on the device.
    fileprivate func list(_ numbers: [Int64]) throws(DamaError) -> TensorValue {
        try TensorValue(runtime, numbers, shape: [numbers.count]).on(backend)
    }

    /// Some rows of fp32 values on the device, one after the other: [places, width]; `nil` without kernels.
    ///
    /// - Parameter places: rows of `values` as a matrix of this width.
    func rows(_ places: [Int64], of values: TensorValue, width: Int) throws(DamaError) -> TensorValue? {
        guard let kernels, values.device == backend.device else { return nil }
        let rows = try zeros(.float32, [places.count, width])
        guard !places.isEmpty else { return rows }
        try kernels.addRows(
            values, to: rows, rows: list(places.indices.map(Int64.init)),
            starts: list((0...places.count).map(Int64.init)),
            positions: list(places))
        return rows
    }
}

/// The numbers of a parameter on a device: what the graphs read, in their type, and the gradient in fp32. The fp32
/// value and the moments are on the device, or with ``DevicePlace/offload`` on the host.
final class DeviceNumbers: @unchecked Sendable {
    let place: DevicePlace
    /// What sessions read.
    let working: TensorValue
    let gradient: TensorValue
    /// Whether they lie in one of the place's slabs, which is updated as a whole.
    let isShared: Bool
    private let state: State

    private enum State {
        case device(DeviceTensors)
        case host(KeptNumbers, OffloadPipeline)
    }

    /// What the host keeps and updates; `nil` if that is on the device.
    var kept: KeptNumbers? { if case .host(let kept, _) = state { kept } else { nil } }

    init(_ place: DevicePlace, shape: [Int]) throws(DamaError) {
        self.place = place
        if let offload = place.offload {
            (working, gradient) = (try place.zeros(place.type, shape), try place.zeros(.float32, shape))
            state = .host(try KeptNumbers(count: working.count), offload)
            isShared = false
        } else {
            let shared = try place.slabs.take(shape)
            let tensors = if let shared { shared } else { try DeviceTensors(place, shape: shape) }
            (working, gradient) = (tensors.working, tensors.gradient)
            state = .device(tensors)
            isShared = shared != nil
        }
    }

    // MARK: Reading and writing

    func clearGradient() throws(DamaError) { try gradient.clear() }
    func readGradient() throws(DamaError) -> FloatMemory { try copy(gradient) }

    func read(_ part: Parameter.Part) throws(DamaError) -> FloatMemory {
        switch (state, part) {
        case (.device(let tensors), .value): try copy(tensors.value)
        case (.device(let tensors), .firstMoment): try copy(tensors.first)
        case (.device(let tensors), .secondMoment): try copy(tensors.second)
        case (.host(let kept, _), _): kept[part]
        }
    }

    /// Replaces a part by what `fill` writes into host memory: that which the host keeps, or memory from which it goes
    /// to the device.
    func set(
        _ part: Parameter.Part, _ fill: (UnsafeMutableBufferPointer<Float>) throws(DamaError) -> Void
    ) throws(DamaError) {
        switch state {
        case .host(let kept, let offload):
            try fill(kept[part].elements)
            if part == .value { try offload.publish(self) }
        case .device(let tensors):
            let memory = try FloatMemory(count: working.count)
            defer { withExtendedLifetime(memory) {} }
            try fill(memory.elements)
            switch part {
            case .value: try tensors.value.copyIn(memory.bytes)
            case .firstMoment: try tensors.first.copyIn(memory.bytes)
            case .secondMoment: try tensors.second.copyIn(memory.bytes)
            }
            // What sessions read follows the fp32 value.
            if part == .value, tensors.value !== working { try place.kernels?.cast(tensors.value, to: working) }
        }
    }

    private func copy(_ tensor: TensorValue) throws(DamaError) -> FloatMemory {
        let memory = try FloatMemory(count: tensor.count)
        try tensor.copyOut(UnsafeMutableRawBufferPointer(memory.elements))
        return memory
    }

    // MARK: Updating

    /// Adds rows to the gradient of an embedding table.
    ///
    /// - Parameters:
    ///   - values: fp32, rows of the table's width, wherever the model runs.
    ///   - places: the rows of `values` that are added to a row of the table.
    func addRows(of values: TensorValue, at places: [Int32: [Int64]]) throws(DamaError) {
        let width = working.shape.last ?? 1
        let sorted = places.sorted { $0.key < $1.key }
        guard !sorted.isEmpty else { return }
        guard let kernels = place.kernels else {
            let (sums, found) = (try readGradient(), try values.onHost())
            try found.withElements(of: Float.self) { found throws(DamaError) in
                for (token, rows) in sorted {
                    for row in rows {
                        let (to, from) = (Int(token) * width, Int(row) * width)
                        guard to >= 0, to + width <= sums.count, from >= 0, from + width <= found.count else {
                            throw .internal("row \(row) of the gradient of token \(token) does not exist")
                        }
                        for column in 0..<width { sums.elements[to + column] += found[from + column] }
                    }
                }
            }
            return try withExtendedLifetime(sums) { () throws(DamaError) in try gradient.copyIn(sums.bytes) }
        }
        var starts: [Int64] = [0]
        for entry in sorted { starts.append((starts.last ?? 0) + Int64(entry.value.count)) }
        try kernels.addRows(
            values, to: gradient, rows: place.list(sorted.map { Int64($0.key) }), starts: place.list(starts),
            positions: place.list(sorted.flatMap(\.value)))
    }

    /// Adds Σ g² to the sum.
    func addSquares(to sum: DeviceSum) throws(DamaError) {
        if let kernels = place.kernels {
            try kernels.addSquares(of: gradient, to: sum)
        } else {
            let values = try readGradient()
            defer { withExtendedLifetime(values) {} }
            guard let start = values.elements.baseAddress else { return }
            sum.host += try GradientNorm.sumOfSquares(UnsafePointer(start), count: values.count)
        }
    }

    /// One step of AdamW on the device; ``OffloadPipeline`` updates what the host keeps.
    func update(_ optimizer: AdamW, step: UInt64) throws(DamaError) {
        guard case .device(let tensors) = state, let kernels = place.kernels else {
            throw .internal("a device was to update what the host keeps")
        }
        try tensors.update(kernels, optimizer, step: step)
    }
}
