import COnnxRuntime
import DamaSupport

/// A tensor of ONNX Runtime, in the caller's memory or in memory that the runtime allocated.
///
/// The elements of a tensor on the CPU can be read and written; only sessions reach those on another device.
public final class TensorValue: @unchecked Sendable {
    public let elementType: ElementType
    /// Row-major; empty for a scalar.
    public let shape: [Int]
    public let device: Device
    public var count: Int { shape.reduce(1, *) }
    public var byteCount: Int { count * elementType.size }

    package let runtime: OnnxRuntime
    let value: OpaquePointer
    /// The owner of the memory, if it is not the runtime.
    private let owner: AnyObject?

    // MARK: Making

    /// A tensor over memory that stays in place; `owner` keeps it alive as long as the tensor lives.
    ///
    /// Sessions write to the memory only if it is bound as an output, so a read-only mapping is fine.
    public init(
        _ runtime: OnnxRuntime, borrowing memory: UnsafeRawBufferPointer, type: ElementType, shape: [Int],
        device: Device = .cpu, owner: AnyObject?
    ) throws(DamaError) {
        let size = try Self.byteCount(type, shape)
        guard memory.count == size else {
            throw .shapeMismatch("a \(type) tensor of shape \(shape) takes \(size) bytes; \(memory.count) were given")
        }
        let info = try runtime.memoryInfo(device)
        defer { runtime.api.pointee.ReleaseMemoryInfo!(info) }
        // The runtime rejects NULL even for an empty tensor.
        let address = UnsafeMutableRawPointer(mutating: memory.baseAddress) ?? Self.nowhere
        var value: OpaquePointer?
        let dimensions = shape.map(Int64.init)
        try runtime.check(
            runtime.api.pointee.CreateTensorWithDataAsOrtValue!(
                info, address, memory.count, dimensions, dimensions.count, type.onnx, &value))
        guard let value else { throw .internal("ONNX Runtime returned no tensor") }
        self.runtime = runtime
        self.value = value
        self.owner = owner
        self.elementType = type
        self.shape = shape
        self.device = device
    }

    /// A tensor in memory that the runtime allocates on the CPU. The elements are undefined.
    public init(_ runtime: OnnxRuntime, allocating type: ElementType, shape: [Int]) throws(DamaError) {
        let size = try Self.byteCount(type, shape)
        try Allocation.check(size, for: "a tensor of the shape \(shape)")
        var allocator: UnsafeMutablePointer<OrtAllocator>?
        try runtime.check(runtime.api.pointee.GetAllocatorWithDefaultOptions!(&allocator))
        var value: OpaquePointer?
        let dimensions = shape.map(Int64.init)
        try runtime.check(
            runtime.api.pointee.CreateTensorAsOrtValue!(
                allocator, dimensions, dimensions.count, type.onnx, &value))
        guard let value else { throw .internal("ONNX Runtime returned no tensor") }
        self.runtime = runtime
        self.value = value
        self.owner = nil
        self.elementType = type
        self.shape = shape
        self.device = .cpu
    }

    /// A tensor in a device's memory. The elements are undefined.
    package convenience init(
        _ backend: any DeviceBackend, _ runtime: OnnxRuntime, _ type: ElementType, shape: [Int]
    ) throws(DamaError) {
        let memory = try DeviceMemory(backend, byteCount: Self.byteCount(type, shape))
        try self.init(
            runtime, borrowing: UnsafeRawBufferPointer(start: memory.start, count: memory.byteCount), type: type,
            shape: shape, device: backend.device, owner: memory)
    }

    /// A tensor on the CPU that holds a copy of `elements`.
    public convenience init<Element: TensorElement>(
        _ runtime: OnnxRuntime, _ elements: [Element], shape: [Int]
    ) throws(DamaError) {
        try self.init(runtime, allocating: Element.elementType, shape: shape)
        guard elements.count == count else {
            throw .shapeMismatch("a tensor of shape \(shape) has \(count) elements; \(elements.count) were given")
        }
        // An empty buffer has no memory to write to.
        guard !elements.isEmpty else { return }
        try withMutableElements(of: Element.self) { target in _ = target.update(fromContentsOf: elements) }
    }

    /// Takes ownership of a value that the runtime created, for instance the result of a run.
    ///
    /// - Parameter device: where the value counts as lying; `nil` asks the runtime.
    init(_ runtime: OnnxRuntime, owning value: OpaquePointer, on device: Device? = nil) throws(DamaError) {
        self.runtime = runtime
        self.value = value
        self.owner = nil
        do throws(DamaError) {
            (elementType, shape) = try Self.describe(runtime, value)
            if let device { self.device = device } else { self.device = try Self.device(runtime, value) }
        } catch {
            runtime.api.pointee.ReleaseValue!(value)
            throw error
        }
    }

    /// The part `range` of the outermost axis, in the same memory, which stays alive as long as the part.
    public func part(_ range: Range<Int>) throws(DamaError) -> TensorValue {
        guard let length = shape.first, range.lowerBound >= 0, range.upperBound <= length else {
            throw .internal("a tensor of shape \(shape) has no part \(range)")
        }
        let address = try self.address
        let size = length == 0 ? 0 : byteCount / length
        return try TensorValue(
            runtime,
            borrowing: UnsafeRawBufferPointer(
                start: address.map { UnsafeRawPointer($0) + range.lowerBound * size }, count: range.count * size),
            type: elementType, shape: [range.count] + shape.dropFirst(), device: device, owner: self)
    }

    /// The same numbers in another shape, in the same memory.
    package func reshaped(_ shape: [Int]) throws(DamaError) -> TensorValue {
        try TensorValue(
            runtime, borrowing: UnsafeRawBufferPointer(start: address.map { UnsafeRawPointer($0) }, count: byteCount),
            type: elementType, shape: shape, device: device, owner: self)
    }

    /// The first element, in the memory of the tensor's device.
    package var address: UnsafeMutableRawPointer? {
        get throws(DamaError) {
            var address: UnsafeMutableRawPointer?
            try runtime.check(runtime.api.pointee.GetTensorMutableData!(value, &address))
            return address
        }
    }

    /// Copies the elements to the host, after all earlier work of the tensor's device.
    ///
    /// - Parameter target: ``byteCount`` bytes.
    package func copyOut(_ target: UnsafeMutableRawBufferPointer) throws(DamaError) {
        guard target.count == byteCount else { throw .internal("\(target.count) bytes for a tensor of \(byteCount)") }
        guard byteCount > 0, let from = try address else { return }
        try runtime.backend(device).copyOut(from, to: target)
    }

    /// Replaces the elements by those of host memory of ``byteCount`` bytes.
    package func copyIn(_ source: UnsafeRawBufferPointer) throws(DamaError) {
        guard source.count == byteCount else { throw .internal("\(source.count) bytes for a tensor of \(byteCount)") }
        guard byteCount > 0, let to = try address else { return }
        try runtime.backend(device).copyIn(source, to: to)
    }

    /// Sets all elements to 0.
    package func clear() throws(DamaError) {
        guard byteCount > 0, let address = try address else { return }
        try runtime.backend(device).clear(address, byteCount: byteCount)
    }

    /// The tensor in host memory: itself, or a copy after all earlier work of its device.
    package func onHost() throws(DamaError) -> TensorValue {
        if device == .cpu { return self }
        let copy = try TensorValue(runtime, allocating: elementType, shape: shape)
        guard byteCount > 0, let to = try copy.address else { return copy }
        try copyOut(UnsafeMutableRawBufferPointer(start: to, count: byteCount))
        return copy
    }

    /// The tensor on a device: itself, or a copy.
    package func on(_ backend: any DeviceBackend) throws(DamaError) -> TensorValue {
        if device == backend.device { return self }
        let source = try onHost()
        let copy = try TensorValue(backend, runtime, elementType, shape: shape)
        guard byteCount > 0, let from = try source.address else { return copy }
        try copy.copyIn(UnsafeRawBufferPointer(start: from, count: byteCount))
        return copy
    }

    deinit { runtime.api.pointee.ReleaseValue!(value) }

    // MARK: Elements

    /// The elements of a tensor on the CPU, for reading.
    public func withElements<Element: TensorElement, Result>(
        of type: Element.Type, _ body: (UnsafeBufferPointer<Element>) throws(DamaError) -> Result
    ) throws(DamaError) -> Result {
        try withMutableElements(of: type) { elements throws(DamaError) in
            try body(UnsafeBufferPointer(elements))
        }
    }

    /// The elements of a tensor on the CPU, for writing too.
    public func withMutableElements<Element: TensorElement, Result>(
        of type: Element.Type, _ body: (UnsafeMutableBufferPointer<Element>) throws(DamaError) -> Result
    ) throws(DamaError) -> Result {
        guard Element.elementType == elementType else {
            throw .internal("a tensor of \(elementType) was read as \(Element.elementType)")
        }
        guard device == .cpu else { throw .internal("a tensor on \(device) was read on the host") }
        let address = try self.address
        let start = count == 0 ? nil : address?.bindMemory(to: Element.self, capacity: count)
        defer { withExtendedLifetime(self) {} }
        return try body(UnsafeMutableBufferPointer(start: start, count: start == nil ? 0 : count))
    }

    /// A copy of the elements of a tensor on the CPU.
    public func array<Element: TensorElement>(of type: Element.Type = Element.self) throws(DamaError) -> [Element] {
        try withElements(of: type) { Array($0) }
    }

    // MARK: Describing

    /// The number of bytes of a tensor, or an error if no memory could hold it.
    static func byteCount(_ type: ElementType, _ shape: [Int]) throws(DamaError) -> Int {
        var size = type.size
        for length in shape {
            let (product, overflow) = size.multipliedReportingOverflow(by: length)
            guard length >= 0, !overflow else { throw .shapeMismatch("no tensor can have the shape \(shape)") }
            size = product
        }
        return size
    }

    nonisolated(unsafe) private static let nowhere = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)

    private static func describe(
        _ runtime: OnnxRuntime, _ value: OpaquePointer
    ) throws(DamaError) -> (ElementType, [Int]) {
        var info: OpaquePointer?
        do throws(DamaError) {
            try runtime.check(runtime.api.pointee.GetTensorTypeAndShape!(value, &info))
        } catch {
            var isTensor: Int32 = 0
            try runtime.check(runtime.api.pointee.IsTensor!(value, &isTensor))
            guard isTensor == 0 else { throw error }
            throw .unsupported("the model returned a sequence or a map; only tensors are supported")
        }
        defer { runtime.api.pointee.ReleaseTensorTypeAndShapeInfo!(info) }
        let (type, dimensions) = try runtime.typeAndDimensions(info)
        guard let type else { throw .unsupported("the model returned a tensor of a type that is not supported") }
        return (type, dimensions.map { max(0, Int($0)) })
    }

    private static func device(_ runtime: OnnxRuntime, _ value: OpaquePointer) throws(DamaError) -> Device {
        var info: OpaquePointer?
        try runtime.check(runtime.api.pointee.GetTensorMemoryInfo!(value, &info))
        var kind = OrtMemoryInfoDeviceType_CPU
        runtime.api.pointee.MemoryInfoGetDeviceType!(info, &kind)
        guard kind != OrtMemoryInfoDeviceType_CPU else { return .cpu }
        var id: Int32 = 0
        try runtime.check(runtime.api.pointee.MemoryInfoGetId!(info, &id))
        return .cuda(id)
    }
}

extension OnnxRuntime {
    /// Element type (`nil` for an unknown one) and dimensions (`nil` for one that varies).
    func typeAndShape(_ info: OpaquePointer?) throws(DamaError) -> (ElementType?, [Int?]) {
        let (type, dimensions) = try typeAndDimensions(info)
        return (type, dimensions.map { $0 < 0 ? nil : Int($0) })
    }

    /// The same, with a negative number for a dimension that varies.
    fileprivate func typeAndDimensions(_ info: OpaquePointer?) throws(DamaError) -> (ElementType?, [Int64]) {
        var type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED
        try check(api.pointee.GetTensorElementType!(info, &type))
        var rank = 0
        try check(api.pointee.GetDimensionsCount!(info, &rank))
        var dimensions = [Int64](repeating: 0, count: rank)
        try check(api.pointee.GetDimensions!(info, &dimensions, rank))
        return (ElementType(rawValue: type.rawValue), dimensions)
    }
}
