import CDama
import Dama

/// What a `dama_memory_plan *` points to.
final class MemoryPlanHandle: Sendable {
    /// The table and JSON.
    private let texts: Strings

    init(_ plan: MemoryPlan) {
        texts = Strings([plan.text, plan.json.text])
    }

    /// The caller's handle, which `dama_memory_plan_free` releases.
    fileprivate var handle: OpaquePointer { OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

    fileprivate static func text(_ handle: OpaquePointer?, _ index: Int) -> UnsafePointer<CChar>? {
        handle.flatMap { Unmanaged<MemoryPlanHandle>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() }?
            .texts.at(index)
    }
}

extension dama_memory_plan_options {
    fileprivate static var defaults: Self {
        let standard = PlannedStep()
        var options = Self()
        options.prompt_tokens = UInt32(clamping: standard.promptTokens)
        options.response_tokens = UInt32(clamping: standard.responseTokens)
        return options
    }
}

@c @implementation
public func dama_memory_plan_options_init_sized(
    _ options: UnsafeMutablePointer<dama_memory_plan_options>?, _ size: Int
) {
    initStruct(options, size, .defaults)
}

@c @implementation
public func dama_train_plan(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ text: UnsafePointer<CChar>?,
    _ overrides: UnsafePointer<UnsafePointer<CChar>?>?, _ overrideCount: Int,
    _ options: UnsafePointer<dama_memory_plan_options>?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        var given = dama_memory_plan_options.defaults
        if let options { given = try readStruct(options, "options", defaults: .defaults) }
        try requireZero(given.reserved)
        let settings = try trainSettings(text, overrides, overrideCount, label: given.label)
        let plan = try settings.memoryPlan(
            promptTokens: Int(given.prompt_tokens), responseTokens: Int(given.response_tokens))
        out.pointee = MemoryPlanHandle(plan).handle
    }
}

@c @implementation
public func dama_memory_plan_free(_ plan: OpaquePointer?) {
    release(plan, MemoryPlanHandle.self)
}

@c @implementation
public func dama_memory_plan_text(_ plan: OpaquePointer?) -> UnsafePointer<CChar>? {
    MemoryPlanHandle.text(plan, 0)
}

@c @implementation
public func dama_memory_plan_json(_ plan: OpaquePointer?) -> UnsafePointer<CChar>? {
    MemoryPlanHandle.text(plan, 1)
}
