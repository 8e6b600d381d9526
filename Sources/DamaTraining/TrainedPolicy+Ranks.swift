import DamaRuntime
import DamaSupport

extension TrainedPolicy {
    /// Replaces all gradients by their sums over the ranks.
    ///
    /// - Throws: What the caller's sum throws; the gradients are then undefined.
    func sumGradients(over ranks: RankGroup) throws(DamaError) {
        guard ranks.count > 1 else { return }
        var small = SmallGradients()
        for parameter in parameters {
            switch parameter.home {
            case .host(let numbers):
                guard parameter.count < SmallGradients.limit else {
                    try ranks.total(.float32(numbers.gradient.elements))
                    continue
                }
                if small.count + parameter.count > SmallGradients.limit { try small.sum(over: ranks) }
                small.append(numbers.gradient)
            case .device(let numbers): try numbers.sumGradient(over: ranks)
            }
        }
        try small.sum(over: ranks)
    }
}

/// Gradients of a few numbers, summed over the ranks together: each sum costs the network a round.
private struct SmallGradients {
    /// 16 MB.
    static let limit = 1 << 22

    private var parts: [FloatMemory] = []
    private(set) var count = 0

    mutating func append(_ gradient: FloatMemory) {
        parts.append(gradient)
        count += gradient.count
    }

    mutating func sum(over ranks: RankGroup) throws(DamaError) {
        guard count > 0 else { return }
        let all = try FloatMemory(count: count)
        defer { withExtendedLifetime(all) {} }
        var start = 0
        for part in parts {
            _ = UnsafeMutableBufferPointer(rebasing: all.elements[start..<start + part.count])
                .update(fromContentsOf: part.elements)
            start += part.count
        }
        try ranks.total(.float32(all.elements))
        start = 0
        for part in parts {
            _ = part.elements.update(fromContentsOf: all.elements[start..<start + part.count])
            start += part.count
        }
        self = Self()
    }
}

extension DeviceNumbers {
    /// Replaces the gradient by its sum over the ranks, in the memory of a CUDA device in place.
    fileprivate func sumGradient(over ranks: RankGroup) throws(DamaError) {
        if case .cuda(let ordinal) = gradient.device, !place.backend.isHost, let address = try gradient.address {
            return try ranks.total(.device(address, count: gradient.count, ordinal: ordinal))
        }
        let copy = try readGradient()
        try withExtendedLifetime(copy) { () throws(DamaError) in
            try ranks.total(.float32(copy.elements))
            try gradient.copyIn(copy.bytes)
        }
    }
}
