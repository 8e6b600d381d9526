import CDama
import Dama

/// What a `dama_texts *` points to.
private final class Texts: Sendable {
    let texts: [Policy.Generated]
    let strings: Strings

    init(_ texts: [Policy.Generated]) {
        self.texts = texts
        strings = Strings(texts.map(\.text))
    }

    static func from(_ handle: OpaquePointer?) throws -> Texts {
        guard let handle else { throw DamaError.invalidArgument("texts is NULL") }
        return Unmanaged<Texts>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
    }
}

// MARK: - Options

func defaultGeneration() -> dama_generation_options {
    let standard = GenerationOptions()
    var options = dama_generation_options()
    options.max_tokens = UInt32(standard.maximumTokens)
    options.temperature = standard.sampling.temperature
    options.top_p = standard.sampling.topP
    options.num_beams = UInt32(standard.beams)
    options.early_stopping = DAMA_EARLY_STOPPING_NO
    options.length_penalty = standard.lengthPenalty
    return options
}

@c @implementation
public func dama_generation_options_init_sized(_ options: UnsafeMutablePointer<dama_generation_options>?, _ size: Int) {
    initStruct(options, size, defaultGeneration())
}

extension dama_generation_options {
    func swift() throws -> GenerationOptions {
        var options = GenerationOptions()
        options.maximumTokens = Int(max_tokens)
        options.sampling = SamplingOptions(temperature: temperature, topK: Int(top_k), topP: top_p)
        options.seed = seed
        options.beams = Int(num_beams)
        options.lengthPenalty = length_penalty
        options.earlyStopping =
            switch early_stopping {
            case DAMA_EARLY_STOPPING_NO: .no
            case DAMA_EARLY_STOPPING_YES: .yes
            case DAMA_EARLY_STOPPING_NEVER: .never
            default: throw DamaError.invalidArgument("early_stopping \(early_stopping.rawValue) is unknown")
            }
        return options
    }
}

// MARK: - Generation

/// Generates texts for the requests that `make` reads from the caller's memory.
private func generate(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ handle: OpaquePointer?,
    _ options: UnsafePointer<dama_generation_options>?, _ cancellation: OpaquePointer?,
    _ make: () throws -> [GenerationRequest]
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let policy = try PolicyHandle.from(handle).policy
        var settings = defaultGeneration()
        if let options {
            settings = try readStruct(options, "options", defaults: defaultGeneration())
        }
        let requests = try make()
        let stop = try strings(settings.stop, settings.stop_count, "options.stop")
        let (onText, user) = (settings.on_text, settings.user)
        let run = try Cancellation.run(cancellation, policy.makeRunOptions)
        func tell(_ index: Int, _ text: String) throws(DamaError) {
            guard let onText else { return }
            let status = text.withCString { onText(index, $0, user) }
            guard status == DAMA_OK else { throw .stopped(by: status) }
        }
        let texts = try policy.generate(
            requests, settings.swift(), stop: stop, run: run, onText: tell,
            onStep: { () throws(DamaError) in try tell(0, "") })
        out.pointee = OpaquePointer(Unmanaged.passRetained(Texts(texts)).toOpaque())
    }
}

@c @implementation
public func dama_policy_generate(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ handle: OpaquePointer?, _ prompts: UnsafePointer<dama_prompt>?,
    _ count: Int, _ options: UnsafePointer<dama_generation_options>?, _ cancellation: OpaquePointer?
) -> dama_status {
    generate(out, handle, options, cancellation) {
        try buffer(prompts, count, "prompts").enumerated().map { index, prompt in
            GenerationRequest(
                image: try prompt.image?.pointee.swift("prompts[\(index)].image"),
                prompt: try string(prompt.text, "prompts[\(index)].text"))
        }
    }
}

@c @implementation
public func dama_policy_chat(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ handle: OpaquePointer?,
    _ conversations: UnsafePointer<dama_conversation>?, _ count: Int,
    _ options: UnsafePointer<dama_generation_options>?, _ cancellation: OpaquePointer?
) -> dama_status {
    generate(out, handle, options, cancellation) {
        try buffer(conversations, count, "conversations").enumerated().map { try $1.request("conversations[\($0)]") }
    }
}

// MARK: - Results

@c @implementation
public func dama_texts_free(_ texts: OpaquePointer?) {
    release(texts, Texts.self)
}

@c @implementation
public func dama_texts_count(_ texts: OpaquePointer?) -> Int { (try? Texts.from(texts))?.texts.count ?? 0 }

@c @implementation
public func dama_texts_at(_ texts: OpaquePointer?, _ index: Int) -> UnsafePointer<CChar>? {
    (try? Texts.from(texts))?.strings.at(index)
}

@c @implementation
public func dama_texts_tokens(
    _ handle: OpaquePointer?, _ index: Int, _ ids: UnsafeMutablePointer<Int32>?, _ capacity: Int,
    _ count: UnsafeMutablePointer<Int>?, _ finish: UnsafeMutablePointer<dama_finish>?
) -> dama_status {
    guarded {
        let texts = try Texts.from(handle).texts
        guard texts.indices.contains(index) else {
            throw DamaError.invalidArgument(
                "text \(UInt(bitPattern: index)) is beyond the end; there are \(texts.count)")
        }
        let count = try require(count, "count")
        try write(texts[index].tokens, to: try buffer(ids, capacity, "ids"), "ids", "ids")
        count.pointee = texts[index].tokens.count
        finish?.pointee =
            switch texts[index].finish {
            case .endToken: DAMA_FINISH_END
            case .stop: DAMA_FINISH_STOP
            case .length: DAMA_FINISH_LENGTH
            }
    }
}
