import DamaKernels
import DamaRuntime
import DamaSupport

/// What a device holds of a parameter that it updates, or of several that lie side by side: tensors of one shape.
struct DeviceTensors: Sendable {
    /// What sessions read.
    let working: TensorValue
    /// fp32, as all below. The value is ``working`` itself if graphs compute in fp32.
    let gradient: TensorValue
    let value: TensorValue
    let first: TensorValue
    let second: TensorValue

    /// New tensors, all zeros.
    init(_ place: DevicePlace, shape: [Int]) throws(DamaError) {
        working = try place.zeros(place.type, shape)
        gradient = try place.zeros(.float32, shape)
        value = place.type == .float32 ? working : try place.zeros(.float32, shape)
        first = try place.zeros(.float32, shape)
        second = try place.zeros(.float32, shape)
    }

    /// A range of vectors, in the same memory.
    init(_ whole: DeviceTensors, _ range: Range<Int>, shape: [Int]) throws(DamaError) {
        func part(_ tensor: TensorValue) throws(DamaError) -> TensorValue { try tensor.part(range).reshaped(shape) }
        working = try part(whole.working)
        gradient = try part(whole.gradient)
        value = whole.value === whole.working ? working : try part(whole.value)
        first = try part(whole.first)
        second = try part(whole.second)
    }

    /// One step of AdamW.
    func update(_ kernels: DeviceKernels, _ optimizer: AdamW, step: UInt64) throws(DamaError) {
        try kernels.update(
            optimizer, step: step, value: value, gradient: gradient, first: first, second: second,
            working: value === working ? nil : working)
    }
}

extension DevicePlace {
    func zeros(_ type: ElementType, _ shape: [Int]) throws(DamaError) -> TensorValue {
        let tensor = try TensorValue(backend, runtime, type, shape: shape)
        try tensor.clear()
        return tensor
    }
}
