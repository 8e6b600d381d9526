import CDama
import Dama

// MARK: - Checkpoints

@c @implementation
public func dama_trainer_save(
    _ trainer: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ note: UnsafePointer<CChar>?
) -> dama_status {
    guarded {
        let trainer = try TrainerHandle.from(trainer).trainer
        try trainer.save(to: try string(path, "path"), note: note.map { String(cString: $0) })
    }
}

@c @implementation
public func dama_trainer_load(
    _ note: UnsafeMutablePointer<OpaquePointer?>?, _ trainer: OpaquePointer?, _ path: UnsafePointer<CChar>?
) -> dama_status {
    guarded {
        let handle = try TrainerHandle.from(trainer)
        let found = try handle.trainer.load(from: try string(path, "path"))
        // The kept activations belong to the earlier weights.
        handle.forward = nil
        guard let note else { return }
        note.pointee = OpaquePointer(Unmanaged.passRetained(Strings(found.map { [$0] } ?? [])).toOpaque())
    }
}

// MARK: - Export

extension dama_export_options {
    static var defaults: Self {
        var options = Self()
        options.kind = DAMA_EXPORT_MODEL
        options.type = DAMA_WEIGHT_FLOAT32
        options.shard_bytes = UInt64(ExportOptions().shardBytes)
        return options
    }

    func swift() throws -> ExportOptions {
        var options = ExportOptions()
        switch type {
        case DAMA_WEIGHT_FLOAT32: options.type = .float32
        case DAMA_WEIGHT_FLOAT16: options.type = .float16
        case DAMA_WEIGHT_BFLOAT16: options.type = .bfloat16
        default: throw DamaError.invalidArgument("type \(type.rawValue) is unknown")
        }
        options.replaces = replace != 0
        options.shardBytes = Int(clamping: shard_bytes)
        return options
    }
}

@c @implementation
public func dama_export_options_init_sized(_ options: UnsafeMutablePointer<dama_export_options>?, _ size: Int) {
    initStruct(options, size, .defaults)
}

@c @implementation
public func dama_trainer_export(
    _ trainer: OpaquePointer?, _ directory: UnsafePointer<CChar>?, _ options: UnsafePointer<dama_export_options>?
) -> dama_status {
    guarded {
        let policy = try TrainerHandle.from(trainer).trainer.policy
        let directory = try string(directory, "directory")
        var settings = dama_export_options.defaults
        if let options {
            settings = try readStruct(options, "options", defaults: .defaults)
        }
        switch settings.kind {
        case DAMA_EXPORT_MODEL: try policy.export(to: directory, options: settings.swift())
        case DAMA_EXPORT_ADAPTERS: try policy.exportAdapters(to: directory, options: settings.swift())
        default: throw DamaError.invalidArgument("kind \(settings.kind.rawValue) is unknown")
        }
    }
}
