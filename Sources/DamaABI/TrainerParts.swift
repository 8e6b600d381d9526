import CDama
import Dama

// MARK: - Forward and backward

@c @implementation
public func dama_trainer_forward(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ trainer: OpaquePointer?,
    _ pairs: UnsafePointer<dama_preference_pair>?, _ count: Int, _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let handle = try TrainerHandle.from(trainer)
        let pairs = try PreferencePair.array(pairs, count)
        let run = try Cancellation.run(cancellation, handle.trainer.policy.base.makeRunOptions)
        // Freed first, so that memory need not hold two runs.
        handle.forward = nil
        let forward = try handle.trainer.forward(pairs, use: .again, run: run)
        handle.forward = forward
        out.pointee = LogProbabilities(forward.logProbabilities).handle
    }
}

@c @implementation
public func dama_trainer_backward(
    _ trainer: OpaquePointer?, _ chosen: UnsafePointer<Double>?, _ rejected: UnsafePointer<Double>?, _ count: Int,
    _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let handle = try TrainerHandle.from(trainer)
        let chosen = try copied(chosen, count, "grad_chosen")
        let rejected = try copied(rejected, count, "grad_rejected")
        guard let forward = handle.forward else {
            throw DamaError.invalidArgument(
                "there is no forward run since the last update; call dama_trainer_forward() first")
        }
        let run = try Cancellation.run(cancellation, handle.trainer.policy.base.makeRunOptions)
        try handle.trainer.backward(forward, chosen: chosen, rejected: rejected, run: run)
    }
}

// MARK: - Gradients and update

@c @implementation
public func dama_trainer_zero_grad(_ trainer: OpaquePointer?) -> dama_status {
    guarded { try TrainerHandle.from(trainer).trainer.policy.clearGradients() }
}

@c @implementation
public func dama_trainer_gradient_norm(
    _ trainer: OpaquePointer?, _ norm: UnsafeMutablePointer<Double>?
) -> dama_status {
    guarded {
        let trainer = try TrainerHandle.from(trainer).trainer
        let norm = try require(norm, "norm")
        norm.pointee = try trainer.gradientNorm()
    }
}

@c @implementation
public func dama_trainer_update(_ trainer: OpaquePointer?, _ norm: UnsafeMutablePointer<Double>?) -> dama_status {
    guarded {
        let handle = try TrainerHandle.from(trainer)
        let found = try handle.trainer.update()
        // The kept activations belong to the earlier weights.
        handle.forward = nil
        norm?.pointee = found
    }
}

// MARK: - Parameters

@c @implementation
public func dama_parameter_init_sized(_ parameter: UnsafeMutablePointer<dama_parameter>?, _ size: Int) {
    initStruct(parameter, size, dama_parameter())
}

@c @implementation
public func dama_trainer_parameter_count(_ trainer: OpaquePointer?) -> Int {
    (try? TrainerHandle.from(trainer))?.trainer.policy.parameters.count ?? 0
}

@c @implementation
public func dama_trainer_parameter_at(
    _ trainer: OpaquePointer?, _ index: Int, _ parameter: UnsafeMutablePointer<dama_parameter>?
) -> dama_status {
    guarded {
        let handle = try TrainerHandle.from(trainer)
        let parameters = handle.trainer.policy.parameters
        guard parameters.indices.contains(index) else {
            throw DamaError.invalidArgument(
                "parameter \(UInt(bitPattern: index)) is beyond the end; there are \(parameters.count)")
        }
        let it = parameters[index]
        let remote = try it.deviceGradient()
        let shape = handle.shapes[index]
        let value = dama_parameter(
            struct_size: 0, decays: it.decays ? 1 : 0, name: handle.names.at(index),
            shape: UnsafePointer(shape.baseAddress), dimensions: shape.count, count: it.count,
            value: it.value.elements.baseAddress, gradient: it.gradient.elements.baseAddress,
            device_gradient: remote?.address, device: remote.map { Int64($0.ordinal) } ?? -1)
        try writeStruct(value, to: try require(parameter, "parameter"), "parameter")
    }
}

@c @implementation
public func dama_trainer_read_parameter(
    _ trainer: OpaquePointer?, _ index: Int, _ part: dama_parameter_part, _ numbers: UnsafeMutablePointer<Float>?,
    _ count: Int
) -> dama_status {
    guarded {
        let parameter = try parameter(trainer, index, count)
        let target = UnsafeMutableBufferPointer(start: try require(numbers, "numbers"), count: count)
        let memory = try parameter.copy(of: try ParameterPart(part))
        withExtendedLifetime(memory) { _ = target.update(fromContentsOf: memory.elements) }
    }
}

@c @implementation
public func dama_trainer_write_parameter(
    _ trainer: OpaquePointer?, _ index: Int, _ part: dama_parameter_part, _ numbers: UnsafePointer<Float>?, _ count: Int
) -> dama_status {
    guarded {
        let parameter = try parameter(trainer, index, count)
        let source = UnsafeBufferPointer(start: try require(numbers, "numbers"), count: count)
        try parameter.replace(try ParameterPart(part), by: source)
    }
}

private func parameter(_ trainer: OpaquePointer?, _ index: Int, _ count: Int) throws -> Parameter {
    let parameters = try TrainerHandle.from(trainer).trainer.policy.parameters
    guard parameters.indices.contains(index) else {
        throw DamaError.invalidArgument(
            "parameter \(UInt(bitPattern: index)) is beyond the end; there are \(parameters.count)")
    }
    guard parameters[index].count == count else {
        throw DamaError.shapeMismatch(
            "\(parameters[index].name) has \(parameters[index].count) elements; \(UInt(bitPattern: count)) were given")
    }
    return parameters[index]
}

extension ParameterPart {
    init(_ part: dama_parameter_part) throws {
        switch part {
        case DAMA_PARAMETER_VALUE: self = .value
        case DAMA_PARAMETER_GRADIENT: self = .gradient
        default: throw DamaError.invalidArgument("part \(part.rawValue) is unknown")
        }
    }
}
