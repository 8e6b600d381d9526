import CDama
import Dama

/// What a `dama_policy *` points to.
final class PolicyHandle: Sendable {
    let policy: Policy
    /// The template's name, as a C string that is valid as long as the handle.
    let template: Strings

    init(_ policy: Policy) {
        self.policy = policy
        template = Strings([policy.template.name])
    }

    static func from(_ handle: OpaquePointer?) throws -> PolicyHandle {
        guard let handle else { throw DamaError.invalidArgument("policy is NULL") }
        return Unmanaged<PolicyHandle>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
    }
}

// MARK: - Options

private func defaults() -> dama_policy_options {
    let standard = PolicyOptions()
    var options = dama_policy_options()
    options.max_image_pixels = UInt64(standard.imageLimits.pixels)
    options.image_mode = DAMA_IMAGE_MODE_CHECKPOINT
    options.overlong = DAMA_OVERLONG_ERROR
    options.token_budget = UInt32(standard.tokenBudget)
    options.share_prefix = 1
    return options
}

@c @implementation
public func dama_policy_options_init_sized(_ options: UnsafeMutablePointer<dama_policy_options>?, _ size: Int) {
    initStruct(options, size, defaults())
}

extension dama_policy_options {
    fileprivate func swift() throws -> PolicyOptions {
        var options = PolicyOptions()
        options.threads = Int(threads)
        guard let pixels = Int(exactly: max_image_pixels), pixels > 0 else {
            throw DamaError.invalidArgument("max_image_pixels is \(max_image_pixels); it must be from 1 to 2^63 − 1")
        }
        options.imageLimits.pixels = pixels
        if let provider { options.device = try Device(String(cString: provider)) }
        if let precision { options.precision = try Precision.named(String(cString: precision)) }
        options.runtimePath = onnxruntime.map { String(cString: $0) }
        options.template = prompt_template.map { String(cString: $0) }
        options.system = system.map { String(cString: $0) }
        options.visionTower = vision_tower.map { String(cString: $0) }
        if let template_date { options.templateDate = String(cString: template_date) }
        switch image_mode {
        case DAMA_IMAGE_MODE_CROP: options.imageMode = .crop
        case DAMA_IMAGE_MODE_PAD: options.imageMode = .pad
        case DAMA_IMAGE_MODE_CHECKPOINT: options.imageMode = .checkpoint
        default: throw DamaError.invalidArgument("image_mode \(image_mode.rawValue) is unknown")
        }
        switch overlong {
        case DAMA_OVERLONG_ERROR: options.overlong = .error
        case DAMA_OVERLONG_CUT: options.overlong = .cut
        default: throw DamaError.invalidArgument("overlong \(overlong.rawValue) is unknown")
        }
        options.maximumLength = max_length == 0 ? nil : Int(max_length)
        guard token_budget > 0 else { throw DamaError.invalidArgument("token_budget is 0; it must be positive") }
        options.tokenBudget = Int(token_budget)
        options.sharesPrefix = share_prefix != 0
        try requireZero(reserved)
        options.imageDecoding = ImageDecoding(ignoreOrientation: ignore_orientation, dropAlpha: drop_alpha)
        return options
    }
}

// MARK: - Handle

@c @implementation
public func dama_policy_create(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ directory: UnsafePointer<CChar>?,
    _ options: UnsafePointer<dama_policy_options>?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let directory = try string(directory, "model_dir")
        var settings = defaults()
        if let options {
            settings = try readStruct(options, "options", defaults: defaults())
        }
        let handle = PolicyHandle(try Policy(directory: directory, options: settings.swift()))
        out.pointee = OpaquePointer(Unmanaged.passRetained(handle).toOpaque())
    }
}

@c @implementation
public func dama_policy_free(_ policy: OpaquePointer?) {
    release(policy, PolicyHandle.self)
}

@c @implementation
public func dama_policy_facts_init_sized(_ facts: UnsafeMutablePointer<dama_policy_facts>?, _ size: Int) {
    initStruct(facts, size, dama_policy_facts())
}

@c @implementation
public func dama_policy_describe(
    _ handle: OpaquePointer?, _ facts: UnsafeMutablePointer<dama_policy_facts>?
) -> dama_status {
    guarded {
        let handle = try PolicyHandle.from(handle)
        let facts = try require(facts, "facts")
        var value = dama_policy_facts()
        value.vocabulary_size = UInt32(clamping: handle.policy.vocabularySize)
        value.hidden_size = UInt32(clamping: handle.policy.hiddenSize)
        value.max_length = UInt32(clamping: handle.policy.maximumLength)
        value.image_tokens = UInt32(clamping: handle.policy.imageTokens)
        value.prompt_template = handle.template.at(0)
        try writeStruct(value, to: facts, "facts")
    }
}

@c @implementation
public func dama_prompt_templates(_ out: UnsafeMutablePointer<OpaquePointer?>?) -> dama_status {
    guarded {
        let out = try require(out, "out")
        out.pointee = Strings(ChatTemplate.names).handle
    }
}
