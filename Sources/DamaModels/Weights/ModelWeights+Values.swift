import CDamaShims
import DamaRuntime
import DamaSupport
import Synchronization

extension ModelWeights {
    /// The tensor in the type that graphs compute in: the mapped memory if the file has that type, otherwise converted.
    func make(_ tensor: TensorView) throws(DamaError) -> TensorValue {
        let type = precision.elementType
        let isAligned = UInt(bitPattern: tensor.bytes.baseAddress).isMultiple(of: UInt(type.size))
        if tensor.type.elementType == type, isAligned {
            return try TensorValue(
                runtime, borrowing: tensor.bytes, type: type, shape: tensor.shape, owner: tensor.owner)
        }
        // Sessions take initializers only from memory that the runtime does not own.
        switch precision {
        case .float32:
            let memory = try FloatMemory(count: tensor.count)
            try tensor.copyFloats(into: memory.elements)
            return try TensorValue(
                runtime, borrowing: memory.bytes, type: type, shape: tensor.shape, owner: memory)
        case .bfloat16, .float16:
            // Two numbers of the type in the memory of one float.
            let memory = try FloatMemory(count: (tensor.count + 1) / 2)
            let bytes = UnsafeMutableRawBufferPointer(memory.elements)
            let halves = UnsafeMutableBufferPointer(rebasing: bytes.bindMemory(to: UInt16.self)[..<tensor.count])
            if tensor.type.elementType == type {
                UnsafeMutableRawBufferPointer(halves).copyMemory(from: tensor.bytes)
            } else {
                try tensor.copyHalves(as: precision, into: halves)
            }
            return try TensorValue(
                runtime, borrowing: UnsafeRawBufferPointer(halves), type: type, shape: tensor.shape, owner: memory)
        }
    }
}

extension WeightType {
    /// `nil` for a type that no graph computes with.
    var elementType: ElementType? {
        switch self {
        case .float32: .float32
        case .float16: .float16
        case .bfloat16: .bfloat16
        case .other: nil
        }
    }
}

extension TensorView {
    /// Writes the elements as bfloat16 or float16, each rounded to the nearest number (ties to even); a NaN stays one.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for a finite number that is infinite in the type, and for a tensor that
    ///   is not fp32, fp16 or bf16.
    func copyHalves(as precision: Precision, into target: UnsafeMutableBufferPointer<UInt16>) throws(DamaError) {
        guard let destination = target.baseAddress else { return }
        nonisolated(unsafe) let to = destination
        let (count, pieceSize) = (target.count, 1 << 16)
        let failure = Mutex<DamaError?>(nil)
        Concurrent.forEach((count + pieceSize - 1) / pieceSize) { index in
            let start = index * pieceSize
            let length = min(pieceSize, count - start)
            do throws(DamaError) {
                let floats = try FloatMemory(count: length)
                try copyFloats(from: start, into: floats.elements)
                let halves = UnsafeMutableBufferPointer(start: to + start, count: length)
                if let number = precision.round(UnsafeBufferPointer(floats.elements), into: halves) {
                    let instead = precision == .float16 ? "bfloat16 or float32" : "float32"
                    throw .unsupported(
                        "tensor \"\(name)\" holds \(number), which is too large for \(precision.rawValue); use the "
                            + "precision \(instead)")
                }
            } catch {
                failure.withLock { $0 = $0 ?? error }
            }
        }
        if let failure = failure.withLock({ $0 }) { throw failure }
    }
}

extension Precision {
    /// Rounds the numbers to bfloat16 or float16.
    ///
    /// - Returns: A finite number that became infinite, if there is one.
    fileprivate func round(
        _ floats: UnsafeBufferPointer<Float>, into target: UnsafeMutableBufferPointer<UInt16>
    ) -> Float? {
        let infinity: UInt16
        if self == .float16 {
            cdama_float_to_half(target.baseAddress, floats.baseAddress, floats.count)
            infinity = Float16.infinity.bitPattern
        } else {
            cdama_float_to_bfloat16(target.baseAddress, floats.baseAddress, floats.count)
            infinity = BFloat16(.infinity).bits
        }
        var infinities = 0
        for bits in target { infinities &+= bits & 0x7FFF == infinity ? 1 : 0 }
        guard infinities > 0 else { return nil }
        return zip(floats, target).first { $0.isFinite && $1 & 0x7FFF == infinity }?.0
    }
}
