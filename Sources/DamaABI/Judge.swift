import CDama
import Dama

/// What a `dama_judge *` points to.
final class JudgeHandle: Sendable {
    let judge: any Judge
    /// The most requests at once.
    let concurrency: Int

    init(_ judge: any Judge, concurrency: Int) {
        self.judge = judge
        self.concurrency = concurrency
    }

    /// The caller's handle, which `dama_judge_free` releases.
    fileprivate var handle: OpaquePointer { OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

    /// `nil` for NULL.
    static func from(_ handle: OpaquePointer?) -> JudgeHandle? {
        handle.map { Unmanaged<JudgeHandle>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() }
    }
}

// MARK: - Options

extension dama_judge_options {
    fileprivate static var defaults: Self {
        let endpoint = ChatEndpoint(url: "", model: "")
        var options = Self()
        options.concurrency = UInt32(EndpointWriter.standardConcurrency)
        options.timeout = endpoint.timeout
        options.requests_per_minute = .nan
        options.first_pause = endpoint.firstPause
        options.retries = UInt32(endpoint.retries)
        return options
    }

    fileprivate static func read(_ options: UnsafePointer<Self>?) throws -> Self {
        var settings = defaults
        if let options { settings = try readStruct(options, "options", defaults: defaults) }
        guard settings.timeout > 0, settings.timeout.isFinite else {
            throw DamaError.invalidArgument("timeout is \(settings.timeout); it must be finite and above 0")
        }
        guard settings.first_pause >= 0, settings.first_pause.isFinite else {
            throw DamaError.invalidArgument("first_pause is \(settings.first_pause); it must be finite, and 0 or more")
        }
        return settings
    }

    /// The handle of a judge whose answers are kept in memory and in the file that the options name.
    fileprivate func handle(_ judge: any Judge, concurrency: UInt32) throws -> OpaquePointer {
        let path = try cache.map { try string($0, "options.cache") }
        let cached = CachedJudge(judge, cache: try JudgeCache(path: path))
        return JudgeHandle(cached, concurrency: Int(concurrency)).handle
    }

    fileprivate func endpoint(_ url: String, _ model: String) throws -> ChatEndpoint {
        var endpoint = ChatEndpoint(url: url, model: model)
        endpoint.apiKey = try api_key.map { try string($0, "options.api_key") }
        endpoint.timeout = timeout
        endpoint.firstPause = first_pause
        endpoint.retries = Int(retries)
        endpoint.fields = try request_fields.map { try string($0, "options.request_fields") }
        if !requests_per_minute.isNaN { endpoint.rate = try RequestRate(perMinute: requests_per_minute) }
        return endpoint
    }

    fileprivate func echo() throws -> ModelEcho {
        guard let expected_model else { return any_model != 0 ? .any : .askedOrSnapshot }
        guard any_model == 0 else {
            throw DamaError.invalidArgument("options has any_model and expected_model; set one of them")
        }
        return .exactly(try string(expected_model, "options.expected_model"))
    }
}

@c @implementation
public func dama_judge_options_init_sized(_ options: UnsafeMutablePointer<dama_judge_options>?, _ size: Int) {
    initStruct(options, size, .defaults)
}

// MARK: - Creation

@c @implementation
public func dama_judge_create_callback(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ name: UnsafePointer<CChar>?, _ callback: dama_judge_callback?,
    _ options: UnsafePointer<dama_judge_options>?, _ user: UnsafeMutableRawPointer?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let name = try string(name, "name")
        guard let callback else { throw DamaError.invalidArgument("callback is NULL") }
        let settings = try dama_judge_options.read(options)
        let judge = try CallbackJudge(name, callback, user, concurrency: Int(settings.concurrency))
        out.pointee = try settings.handle(judge, concurrency: settings.concurrency)
    }
}

@c @implementation
public func dama_judge_create_command(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ command: UnsafePointer<CChar>?,
    _ options: UnsafePointer<dama_judge_options>?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let command = try string(command, "command")
        let settings = try dama_judge_options.read(options)
        let judge = try CommandJudge(command, timeout: settings.timeout, concurrency: Int(settings.concurrency))
        out.pointee = try settings.handle(judge, concurrency: settings.concurrency)
    }
}

@c @implementation
public func dama_judge_create_endpoint(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ url: UnsafePointer<CChar>?, _ model: UnsafePointer<CChar>?,
    _ options: UnsafePointer<dama_judge_options>?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let (url, model) = (try string(url, "url"), try string(model, "model"))
        let settings = try dama_judge_options.read(options)
        let judge = try EndpointJudge(
            try settings.endpoint(url, model), concurrency: Int(settings.concurrency), echo: try settings.echo())
        out.pointee = try settings.handle(judge, concurrency: settings.concurrency)
    }
}

@c @implementation
public func dama_judge_create_policy(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ policy: OpaquePointer?,
    _ options: UnsafePointer<dama_judge_options>?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let judge = try PolicyJudge(PolicyHandle.from(policy).policy)
        out.pointee = try dama_judge_options.read(options).handle(judge, concurrency: 1)
    }
}

@c @implementation
public func dama_judge_free(_ judge: OpaquePointer?) {
    release(judge, JudgeHandle.self)
}
