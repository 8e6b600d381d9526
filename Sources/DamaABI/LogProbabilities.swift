import CDama
import Dama

/// What a `dama_logps *` points to.
final class LogProbabilities: Sendable {
    let pairs: [PairLogProbabilities]

    init(_ pairs: [PairLogProbabilities]) { self.pairs = pairs }

    /// A handle that the caller owns.
    var handle: OpaquePointer { OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

    fileprivate static func from(_ handle: OpaquePointer?) throws -> LogProbabilities {
        guard let handle else { throw DamaError.invalidArgument("logps is NULL") }
        return Unmanaged<LogProbabilities>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
    }

    fileprivate func get(_ index: Int, _ response: dama_response) throws -> ResponseLogProbability {
        guard pairs.indices.contains(index) else {
            throw DamaError.invalidArgument(
                "pair \(UInt(bitPattern: index)) is beyond the end; there are \(pairs.count)")
        }
        return try Self.response(response, of: pairs[index])
    }

    fileprivate static func response(
        _ response: dama_response, of pair: PairLogProbabilities
    ) throws -> ResponseLogProbability {
        switch response {
        case DAMA_CHOSEN: return pair.chosen
        case DAMA_REJECTED: return pair.rejected
        default: throw DamaError.unknownResponse(response)
        }
    }
}

extension DamaError {
    static func unknownResponse(_ response: dama_response) -> DamaError {
        .invalidArgument("response \(response.rawValue) is unknown; it must be DAMA_CHOSEN (0) or DAMA_REJECTED (1)")
    }
}

extension PreferencePair {
    /// The caller's pair. Errors call it `name`.
    init(_ pair: dama_preference_pair, _ name: String) throws {
        self.init(
            image: try pair.image?.pointee.swift("\(name).image"),
            prompt: try string(pair.prompt, "\(name).prompt"),
            chosen: try string(pair.chosen, "\(name).chosen"),
            rejected: try string(pair.rejected, "\(name).rejected"))
    }

    static func array(_ pairs: UnsafePointer<dama_preference_pair>?, _ count: Int) throws -> [PreferencePair] {
        try buffer(pairs, count, "pairs").enumerated().map { try PreferencePair($1, "pairs[\($0)]") }
    }
}

extension dama_conversation {
    /// The messages and their images. Errors call the conversation `name`.
    fileprivate func prompt(_ name: String) throws -> (messages: [ChatMessage], images: [ImageSource]) {
        (
            try ChatMessage.list(json: string(messages, "\(name).messages"), name: "\(name).messages"),
            try buffer(images, image_count, "\(name).images").enumerated().map {
                try $1.swift("\(name).images[\($0)]")
            }
        )
    }

    /// Errors call the conversation `name`.
    fileprivate func pair(_ name: String) throws -> PreferencePair {
        let (messages, images) = try prompt(name)
        return PreferencePair(
            images: images, messages: messages, chosen: try string(chosen, "\(name).chosen"),
            rejected: try string(rejected, "\(name).rejected"))
    }

    /// Errors call the conversation `name`.
    func request(_ name: String) throws -> GenerationRequest {
        let (messages, images) = try prompt(name)
        guard chosen == nil, rejected == nil else {
            throw DamaError.invalidArgument("\(name) has responses; a conversation that is continued has none")
        }
        return GenerationRequest(images: images, messages: messages)
    }
}

@c @implementation
public func dama_policy_chat_logps(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ handle: OpaquePointer?,
    _ conversations: UnsafePointer<dama_conversation>?, _ count: Int, _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let policy = try PolicyHandle.from(handle).policy
        let pairs = try buffer(conversations, count, "conversations").enumerated().map {
            try $1.pair("conversations[\($0)]")
        }
        let run = try Cancellation.run(cancellation, policy.makeRunOptions)
        out.pointee = LogProbabilities(try policy.logProbabilities(pairs, run: run)).handle
    }
}

@c @implementation
public func dama_policy_logps(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ handle: OpaquePointer?,
    _ pairs: UnsafePointer<dama_preference_pair>?, _ count: Int, _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let policy = try PolicyHandle.from(handle).policy
        let pairs = try PreferencePair.array(pairs, count)
        let run = try Cancellation.run(cancellation, policy.makeRunOptions)
        out.pointee = LogProbabilities(try policy.logProbabilities(pairs, run: run)).handle
    }
}

@c @implementation
public func dama_logps_free(_ logps: OpaquePointer?) {
    release(logps, LogProbabilities.self)
}

@c @implementation
public func dama_logps_count(_ logps: OpaquePointer?) -> Int { (try? LogProbabilities.from(logps))?.pairs.count ?? 0 }

@c @implementation
public func dama_logps_at(
    _ logps: OpaquePointer?, _ pair: Int, _ response: dama_response, _ logp: UnsafeMutablePointer<dama_response_logp>?
) -> dama_status {
    guarded {
        let found = try LogProbabilities.from(logps).get(pair, response)
        let logp = try require(logp, "logp")
        var value = dama_response_logp()
        value.sum = found.sum
        value.mean = found.mean
        value.count = found.count
        value.was_cut = found.wasCut ? 1 : 0
        logp.pointee = value
    }
}

@c @implementation
public func dama_logps_tokens(
    _ logps: OpaquePointer?, _ pair: Int, _ response: dama_response, _ tokens: UnsafeMutablePointer<Float>?,
    _ capacity: Int, _ count: UnsafeMutablePointer<Int>?
) -> dama_status {
    guarded {
        let found = try LogProbabilities.from(logps).get(pair, response).tokens
        let count = try require(count, "count")
        try write(found, to: try buffer(tokens, capacity, "tokens"), "tokens", "numbers")
        count.pointee = found.count
    }
}

@c @implementation
public func dama_logps_sums(
    _ logps: OpaquePointer?, _ response: dama_response, _ sums: UnsafeMutablePointer<Double>?, _ capacity: Int
) -> dama_status {
    guarded {
        let pairs = try LogProbabilities.from(logps).pairs
        let target = try buffer(sums, capacity, "sums")
        let values = try pairs.map { try LogProbabilities.response(response, of: $0).sum }
        guard target.count >= values.count else {
            throw DamaError.shapeMismatch("sums has room for \(target.count) numbers; there are \(values.count)")
        }
        try write(values, to: target, "sums", "numbers")
    }
}
