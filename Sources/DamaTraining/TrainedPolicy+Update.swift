import DamaKernels
import DamaSupport

extension TrainedPolicy {
    /// One step of AdamW for all parameters, wherever their numbers lie.
    ///
    /// - Parameters:
    ///   - optimizer: with the weight decay of the parameters that decay.
    ///   - step: t ≥ 1.
    ///   - threads: 0 for every processor.
    func update(_ optimizer: AdamW, step: UInt64, threads: Int) throws(DamaError) {
        var kept: [(numbers: DeviceNumbers, optimizer: AdamW)] = []
        func own(_ decays: Bool) -> AdamW {
            var own = optimizer
            if !decays { own.weightDecay = 0 }
            return own
        }
        for parameter in parameters {
            let optimizer = own(parameter.decays)
            switch parameter.home {
            case .host(let numbers): try numbers.update(optimizer, step: step, threads: threads)
            case .device(let numbers) where numbers.kept != nil: kept.append((numbers, optimizer))
            case .device(let numbers) where numbers.isShared: continue
            case .device(let numbers): try numbers.update(optimizer, step: step)
            }
        }
        if let place, let kernels = place.kernels {
            for slab in place.slabs.all { try slab.tensors.update(kernels, own(slab.decays), step: step) }
        }
        try place?.offload?.update(kept, step: step, threads: threads)
    }
}
