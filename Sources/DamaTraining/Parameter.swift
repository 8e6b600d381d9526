import DamaKernels
import DamaModels
import DamaRuntime
import DamaSupport

/// A trained weight: its value, its gradient and AdamW's moments, each in fp32.
public final class Parameter: Sendable {
    /// Its name in the model's files.
    public let name: String
    /// Its name in the graph.
    let graphName: String
    public let shape: [Int]
    /// Whether weight decay applies. As usual it does not apply to norms and biases.
    public let decays: Bool
    public let count: Int
    let home: Home

    /// Where the numbers lie.
    enum Home: Sendable {
        case host(HostNumbers)
        case device(DeviceNumbers)
    }

    /// What a checkpoint holds of a parameter.
    enum Part: String, CaseIterable {
        case value
        case firstMoment = "first_moment"
        case secondMoment = "second_moment"
    }

    init(
        name: String, graphName: String, shape: [Int], placement: ParameterPlacement = .host
    ) throws(DamaError) {
        self.name = name
        self.graphName = graphName
        self.shape = shape
        decays = Self.decays(shape)
        count = shape.reduce(1, *)
        home =
            switch placement {
            case .host: .host(try HostNumbers(count: count))
            case .device(let place): .device(try DeviceNumbers(place, shape: shape))
            }
    }

    /// Whether weight decay applies to a parameter of this shape. A vector is a bias or the scale of a norm.
    static func decays(_ shape: [Int]) -> Bool { shape.count > 1 }

    /// Creates a parameter with the value of a weight of the files.
    ///
    /// - Throws: ``DamaError/Code/model`` if the weight is missing or has another shape.
    convenience init(
        _ weight: TrainedWeight, of store: WeightStore, _ placement: ParameterPlacement
    ) throws(DamaError) {
        try self.init(name: weight.name, graphName: weight.graphName, shape: weight.shape, placement: placement)
        let tensor = try store.tensor(weight.name, expectedShape: weight.shape)
        try set { elements throws(DamaError) in try tensor.copyFloats(into: elements) }
    }

    // MARK: In host memory

    /// The numbers in host memory; `nil` if they lie on a device.
    private var host: HostNumbers? { if case .host(let numbers) = home { numbers } else { nil } }
    /// The part of a parameter in host memory; empty for one on a device.
    public var value: FloatMemory { host?.value ?? .none }
    public var gradient: FloatMemory { host?.gradient ?? .none }
    public var firstMoment: FloatMemory { host?.kept.firstMoment ?? .none }
    public var secondMoment: FloatMemory { host?.kept.secondMoment ?? .none }

    /// The gradient in the memory of a CUDA device, fp32, complete for every stream; `nil` for one in host memory.
    package func deviceGradient() throws(DamaError) -> (address: UnsafeMutableRawPointer, ordinal: Int32)? {
        guard case .device(let numbers) = home, case .cuda(let ordinal) = numbers.gradient.device,
            let address = try numbers.gradient.address
        else { return nil }
        // A copy to the host waits for the runs that write the gradient.
        var first: Float = 0
        try withUnsafeMutableBytes(of: &first) { bytes throws(DamaError) in
            try numbers.place.backend.copyOut(address, to: bytes)
        }
        return (address, ordinal)
    }

    /// The value or the gradient in host memory: itself or a copy, in fp32.
    package func copy(of part: ParameterPart) throws(DamaError) -> FloatMemory {
        part == .value ? try read(.value) : try readGradient()
    }

    /// Replaces the value or the gradient, wherever it lies.
    ///
    /// - Parameter numbers: ``count`` of them.
    package func replace(_ part: ParameterPart, by numbers: UnsafeBufferPointer<Float>) throws(DamaError) {
        guard numbers.count == count else { throw .shapeMismatch("\(numbers.count) numbers for \(count) elements") }
        switch (part, home) {
        case (.value, _): try set { elements in _ = elements.update(fromContentsOf: numbers) }
        case (.gradient, .host(let own)): _ = own.gradient.elements.update(fromContentsOf: numbers)
        case (.gradient, .device(let own)): try own.gradient.copyIn(UnsafeRawBufferPointer(numbers))
        }
    }

    // MARK: Wherever it lies

    /// The value as a session's input. It shares the memory, so that the next run uses the updated value.
    func tensor(_ runtime: OnnxRuntime) throws(DamaError) -> TensorValue {
        switch home {
        case .host(let numbers):
            try TensorValue(
                runtime, borrowing: numbers.value.bytes, type: .float32, shape: shape, owner: numbers.value)
        case .device(let numbers): numbers.working
        }
    }

    /// The gradient as a session's output, in fp32.
    func gradientTensor(_ runtime: OnnxRuntime) throws(DamaError) -> TensorValue {
        switch home {
        case .host(let numbers):
            try TensorValue(
                runtime, borrowing: numbers.gradient.bytes, type: .float32, shape: shape, owner: numbers.gradient)
        case .device(let numbers): numbers.gradient
        }
    }

    /// Sets the gradient to 0.
    func clearGradient() throws(DamaError) {
        switch home {
        case .host(let numbers): numbers.gradient.clear()
        case .device(let numbers): try numbers.clearGradient()
        }
    }

    /// A part in host memory: the part itself, or a copy.
    func read(_ part: Part) throws(DamaError) -> FloatMemory {
        switch home {
        case .host(let numbers): numbers.kept[part]
        case .device(let numbers): try numbers.read(part)
        }
    }

    /// The gradient in host memory: itself, or a copy.
    func readGradient() throws(DamaError) -> FloatMemory {
        switch home {
        case .host(let numbers): numbers.gradient
        case .device(let numbers): try numbers.readGradient()
        }
    }

    /// The value as an embedding table.
    func embeddings() throws(DamaError) -> EmbeddingTable {
        switch home {
        case .host(let numbers): .host(numbers.value)
        // On the CPU the host looks embeddings up, in fp32.
        case .device(let numbers): numbers.place.isHost ? .host(try numbers.read(.value)) : .device(numbers.working)
        }
    }

    /// Replaces a part by what `fill` writes into host memory of ``count`` numbers.
    func set(
        _ part: Part = .value, _ fill: (UnsafeMutableBufferPointer<Float>) throws(DamaError) -> Void
    ) throws(DamaError) {
        switch home {
        case .host(let numbers): try fill(numbers.kept[part].elements)
        case .device(let numbers): try numbers.set(part, fill)
        }
    }
}

/// What callers read and write of a parameter.
public enum ParameterPart: Sendable {
    case value, gradient
}

/// Where parameters are placed.
enum ParameterPlacement {
    case host
    case device(DevicePlace)

    /// Before some parameters are made, in this order, and all updated together: room for the small ones side by side.
    func reserve(_ weights: [TrainedWeight]) throws(DamaError) {
        guard case .device(let place) = self, place.offload == nil else { return }
        try place.slabs.reserve(weights.map(\.shape), on: place)
    }
}

/// What the optimizer keeps of a parameter, in host memory.
struct KeptNumbers: Sendable {
    let value: FloatMemory
    let firstMoment: FloatMemory
    let secondMoment: FloatMemory

    init(count: Int) throws(DamaError) {
        value = try FloatMemory(count: count)
        firstMoment = try FloatMemory(count: count)
        secondMoment = try FloatMemory(count: count)
    }

    subscript(part: Parameter.Part) -> FloatMemory {
        switch part {
        case .value: value
        case .firstMoment: firstMoment
        case .secondMoment: secondMoment
        }
    }
}

/// The numbers of a parameter in host memory.
struct HostNumbers: Sendable {
    let kept: KeptNumbers
    let gradient: FloatMemory
    var value: FloatMemory { kept.value }

    init(count: Int) throws(DamaError) {
        kept = try KeptNumbers(count: count)
        gradient = try FloatMemory(count: count)
    }

    /// One step of AdamW.
    func update(_ optimizer: AdamW, step: UInt64, threads: Int) throws(DamaError) {
        guard let value = value.elements.baseAddress, let gradient = gradient.elements.baseAddress,
            let first = kept.firstMoment.elements.baseAddress, let second = kept.secondMoment.elements.baseAddress
        else { return }
        try optimizer.update(
            step: step, parameters: value, gradients: UnsafePointer(gradient), firstMoments: first,
            secondMoments: second, count: self.value.count, threads: threads)
    }
}
