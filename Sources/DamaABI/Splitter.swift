import CDama
import Dama

/// What a `dama_splitter *` points to.
final class SplitterHandle: Sendable {
    let splitter: any ResponseSplitter

    init(_ splitter: any ResponseSplitter) { self.splitter = splitter }

    /// The caller's handle, which `dama_splitter_free` releases.
    var handle: OpaquePointer { OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

    static func from(_ handle: OpaquePointer?) throws -> SplitterHandle {
        guard let handle else { throw DamaError.invalidArgument("splitter is NULL") }
        return Unmanaged<SplitterHandle>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
    }

    /// The splitter of an options struct; the built-in splitter for NULL.
    static func named(by handle: OpaquePointer?) throws -> any ResponseSplitter {
        handle == nil ? NamedSplitter.builtIn : try from(handle).splitter
    }
}

// MARK: - Options

extension dama_splitter_options {
    fileprivate static var defaults: Self {
        let endpoint = ChatEndpoint(url: "", model: "")
        var options = Self()
        options.concurrency = UInt32(EndpointWriter.standardConcurrency)
        options.timeout = endpoint.timeout
        options.first_pause = endpoint.firstPause
        options.retries = UInt32(endpoint.retries)
        return options
    }

    fileprivate static func read(_ options: UnsafePointer<Self>?) throws -> Self {
        var settings = defaults
        if let options { settings = try readStruct(options, "options", defaults: defaults) }
        try requireZero(settings.reserved)
        guard settings.timeout > 0, settings.timeout.isFinite else {
            throw DamaError.invalidArgument("timeout is \(settings.timeout); it must be finite and above 0")
        }
        guard settings.first_pause >= 0, settings.first_pause.isFinite else {
            throw DamaError.invalidArgument("first_pause is \(settings.first_pause); it must be finite, and 0 or more")
        }
        return settings
    }

    /// A splitter that asks `writer` and keeps its answers in the file that the options name.
    fileprivate func splitter(_ writer: any SentenceWriter) throws -> OpaquePointer {
        let path = try cache.map { try string($0, "options.cache") }
        return SplitterHandle(LanguageModelSplitter(writer, cache: try SplitCache(path: path))).handle
    }
}

@c @implementation
public func dama_splitter_options_init_sized(_ options: UnsafeMutablePointer<dama_splitter_options>?, _ size: Int) {
    initStruct(options, size, .defaults)
}

// MARK: - Creation

@c @implementation
public func dama_splitter_create_built_in(_ out: UnsafeMutablePointer<OpaquePointer?>?) -> dama_status {
    guarded { try require(out, "out").pointee = SplitterHandle(NamedSplitter.builtIn).handle }
}

@c @implementation
public func dama_splitter_create_policy(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ policy: OpaquePointer?,
    _ options: UnsafePointer<dama_splitter_options>?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let writer = try PolicyWriter(PolicyHandle.from(policy).policy)
        out.pointee = try dama_splitter_options.read(options).splitter(writer)
    }
}

@c @implementation
public func dama_splitter_create_command(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ command: UnsafePointer<CChar>?,
    _ options: UnsafePointer<dama_splitter_options>?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let command = try string(command, "command")
        let settings = try dama_splitter_options.read(options)
        let writer = try CommandWriter(
            command, timeout: settings.timeout, concurrency: Int(settings.concurrency))
        out.pointee = try settings.splitter(writer)
    }
}

@c @implementation
public func dama_splitter_create_endpoint(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ url: UnsafePointer<CChar>?, _ model: UnsafePointer<CChar>?,
    _ options: UnsafePointer<dama_splitter_options>?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let settings = try dama_splitter_options.read(options)
        var endpoint = ChatEndpoint(url: try string(url, "url"), model: try string(model, "model"))
        endpoint.apiKey = try settings.api_key.map { try string($0, "options.api_key") }
        endpoint.timeout = settings.timeout
        endpoint.firstPause = settings.first_pause
        endpoint.retries = Int(settings.retries)
        let writer = try EndpointWriter(endpoint, concurrency: Int(settings.concurrency))
        out.pointee = try settings.splitter(writer)
    }
}

@c @implementation
public func dama_splitter_free(_ splitter: OpaquePointer?) {
    release(splitter, SplitterHandle.self)
}

// MARK: - Splitting

@c @implementation
public func dama_split_options_init_sized(_ options: UnsafeMutablePointer<dama_split_options>?, _ size: Int) {
    initStruct(options, size, dama_split_options())
}

extension dama_split_options {
    /// The caller's limit; `nil` without one.
    fileprivate static func limit(_ options: UnsafePointer<Self>?) throws -> TokenLimit? {
        guard let options else { return nil }
        let read = try readStruct(options, "options", defaults: Self())
        guard read.token_limit > 0 else { return nil }
        guard read.tokenizer != nil else {
            throw DamaError.invalidArgument("options.tokenizer is NULL; a token_limit needs a tokenizer")
        }
        return TokenLimit(maximum: Int(read.token_limit), tokenizer: try DamaABI.tokenizer(read.tokenizer))
    }
}

@c @implementation
public func dama_split(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ text: UnsafePointer<CChar>?,
    _ options: UnsafePointer<dama_split_options>?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let text = try string(text, "text")
        out.pointee = Strings(try BuiltInSplitter().split(text, limit: dama_split_options.limit(options))).handle
    }
}

@c @implementation
public func dama_splitter_split(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ flags: UnsafeMutablePointer<OpaquePointer?>?,
    _ splitter: OpaquePointer?, _ text: UnsafePointer<CChar>?, _ options: UnsafePointer<dama_split_options>?,
    _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let splitter = try SplitterHandle.from(splitter).splitter
        let text = try string(text, "text")
        let limit = try dama_split_options.limit(options) ?? .unlimited
        let stop = try Cancellation.signal(cancellation)
        let result = try splitter.split(text, limit: limit.heeding(stop), stop: stop)
        out.pointee = Strings(result.subSentences).handle
        flags?.pointee = Strings(result.flags).handle
    }
}
