import DamaSupport

/// Small inputs of a run in one copy to its device. Each copy costs a start and a wait, however few bytes it has, and a
/// run of a decoder takes seven lists of integers.
enum InputParcel {
    /// The most bytes of an input that is packed.
    static let most = 1 << 18
    /// What starts of inputs are multiples of, as those of memory that a driver allocates.
    private static let alignment = 256

    /// The values with the small ones of the host replaced by their copies on `device`; as they are if fewer than two
    /// are small.
    static func sent(
        _ values: [TensorValue], to device: Device, _ runtime: OnnxRuntime
    ) throws(DamaError) -> [TensorValue] {
        var (places, size): ([(index: Int, start: Int)], Int) = ([], 0)
        for (index, value) in values.enumerated() where value.device == .cpu && (1...most).contains(value.byteCount) {
            places.append((index, size))
            size += (value.byteCount + alignment - 1) / alignment * alignment
        }
        guard places.count > 1 else { return values }
        let backend = try runtime.backend(device)
        let parcel = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: alignment)
        defer { parcel.deallocate() }
        // The gaps too are copied.
        parcel.initializeMemory(as: UInt8.self, repeating: 0)
        for (index, start) in places {
            guard let from = try values[index].address else { throw .internal("an input has no memory") }
            let source = UnsafeRawBufferPointer(start: from, count: values[index].byteCount)
            UnsafeMutableRawBufferPointer(rebasing: parcel[start...]).copyMemory(from: source)
        }
        let memory = try DeviceMemory(backend, byteCount: size)
        try backend.copyIn(UnsafeRawBufferPointer(parcel), to: memory.start)
        var sent = values
        for (index, start) in places {
            let value = values[index]
            sent[index] = try TensorValue(
                runtime, borrowing: UnsafeRawBufferPointer(start: memory.start + start, count: value.byteCount),
                type: value.elementType, shape: value.shape, device: device, owner: memory)
        }
        return sent
    }
}
