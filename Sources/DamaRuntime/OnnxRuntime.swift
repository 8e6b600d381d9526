import CDamaShims
import COnnxRuntime
import DamaSupport
import Glibc
import Synchronization

/// The process's ONNX Runtime: the library, opened at run time, and its one environment.
///
/// The library is never linked, so that everything that runs no model works without it. A process has one runtime and
/// one environment, with one thread pool for all sessions: separate pools of spinning threads would compete for the
/// processors. The environment lives until the process ends.
public final class OnnxRuntime: @unchecked Sendable {
    /// The version of the C API in the headers. The API is append-only: every newer runtime provides it too.
    public static let apiVersion = 21
    /// The environment variable that names the library.
    public static let pathVariable = "DAMA_ONNXRUNTIME"
    /// The oldest runtime with this API.
    static let oldestVersion = "1.21"

    /// The path or name by which the library was opened.
    public let path: String
    /// The runtime's version, for instance "1.32.0".
    public let version: String
    /// Threads that compute one operator in the shared pool; 0 if the runtime chose (one for each core).
    public let threads: Int
    /// The names of the execution providers that this runtime was built with, for instance "CPUExecutionProvider".
    public let providers: [String]

    let api: UnsafePointer<OrtApi>
    let environment: OpaquePointer
    private let process = getpid()

    // MARK: Opening

    private static let shared = Mutex<OnnxRuntime?>(nil)

    /// The process's runtime, opened by the first call.
    ///
    /// - Parameters:
    ///   - path: The library's file. Without it, `$DAMA_ONNXRUNTIME`, then `libonnxruntime.so.1` and
    ///     `libonnxruntime.so` on the loader's path.
    ///   - threads: Size of the shared pool; only the first call sets it. 0 means one for each processor that this
    ///     process may use.
    /// - Throws: ``DamaError/Code/unsupported`` if there is no runtime, if it is too old, or if another one is already
    ///   in use; ``DamaError/Code/invalidArgument`` for a number of threads out of range.
    public static func load(path: String? = nil, threads: Int = 0) throws(DamaError) -> OnnxRuntime {
        guard (0...1024).contains(threads) else {
            throw .invalidArgument("threads is \(threads); it must be from 0 (the default) to 1024")
        }
        let result = shared.withLock { runtime -> Result<OnnxRuntime, DamaError> in
            do throws(DamaError) {
                if let runtime {
                    if let path, !isSameFile(path, runtime.path) {
                        throw .unsupported(
                            "this process already uses the ONNX Runtime \(runtime.path); it cannot use \(path) "
                                + "as well")
                    }
                    return .success(runtime)
                }
                let opened = try OnnxRuntime(opening: try open(path: path), threads: threads)
                runtime = opened
                return .success(opened)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    struct Library {
        var path: String
        var handle: UnsafeMutableRawPointer
    }

    static func open(path: String?) throws(DamaError) -> Library {
        if let path { return try open(named: path, source: "the given path") }
        if let value = getenv(pathVariable) {
            let path = String(cString: value)
            if !path.isEmpty { return try open(named: path, source: "$\(pathVariable)") }
        }
        for name in ["libonnxruntime.so.1", "libonnxruntime.so"] {
            if let handle = dlopen(name, RTLD_NOW | RTLD_LOCAL) { return Library(path: name, handle: handle) }
        }
        throw .unsupported(
            "no ONNX Runtime found: $\(pathVariable) is not set, and the loader finds neither libonnxruntime.so.1 nor "
                + "libonnxruntime.so; in Python `pip install onnxruntime` (or onnxruntime-gpu) is enough, elsewhere "
                + "set \(pathVariable) to its capi/libonnxruntime.so.* as well")
    }

    private static func open(named path: String, source: String) throws(DamaError) -> Library {
        // Opening a FIFO would block until another process opens it for writing.
        guard !Files.isThere(path) || Files.isRegularFile(path) else {
            throw .unsupported("cannot open \(path) (\(source)) as ONNX Runtime: it is not a regular file")
        }
        if let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) { return Library(path: path, handle: handle) }
        let reason = dlerror().map { String(cString: $0) } ?? "unknown reason"
        throw .unsupported(
            "cannot open \(path) (\(source)) as ONNX Runtime: \(reason); it should be the file libonnxruntime.so.* of "
                + "`pip install onnxruntime` or of a release")
    }

    init(opening library: Library, threads: Int) throws(DamaError) {
        typealias GetApiBase = @convention(c) () -> UnsafePointer<OrtApiBase>?
        guard let symbol = dlsym(library.handle, "OrtGetApiBase"),
            let base = unsafeBitCast(symbol, to: GetApiBase.self)(),
            let getVersion = base.pointee.GetVersionString, let text = getVersion(), let getApi = base.pointee.GetApi
        else {
            dlclose(library.handle)
            throw .unsupported("\(library.path) is not ONNX Runtime: it does not have the function OrtGetApiBase")
        }
        let version = String(cString: text)
        // An old runtime that is asked for a newer API writes to stderr, so its version is read first.
        guard Self.isNewEnough(version), let api = getApi(UInt32(Self.apiVersion)) else {
            throw .unsupported(
                "\(library.path) is ONNX Runtime \(version); \(Self.oldestVersion) or later is needed "
                    + "(`pip install -U onnxruntime`)")
        }
        self.path = library.path
        self.version = version
        self.threads = threads > 0 ? threads : Processors.restricted ?? 0
        self.api = api
        environment = try Self.createEnvironment(api, threads: self.threads)
        ForkedChild.endAtExit()
        providers = try Self.availableProviders(api)
    }

    static func isNewEnough(_ version: String) -> Bool {
        let parts = version.split(separator: ".").prefix(2).map { Int($0) ?? 0 }
        guard parts.count == 2 else { return false }
        return parts[0] > 1 || (parts[0] == 1 && parts[1] >= apiVersion)
    }

    private static func isSameFile(_ a: String, _ b: String) -> Bool {
        if a == b { return true }
        guard let first = realpath(a, nil) else { return false }
        defer { free(first) }
        guard let second = realpath(b, nil) else { return false }
        defer { free(second) }
        return strcmp(first, second) == 0
    }

    // MARK: Environment

    private static func createEnvironment(
        _ api: UnsafePointer<OrtApi>, threads: Int
    ) throws(DamaError) -> OpaquePointer {
        var options: OpaquePointer?
        try check(api, api.pointee.CreateThreadingOptions!(&options))
        defer { api.pointee.ReleaseThreadingOptions!(options) }
        try check(api, api.pointee.SetGlobalIntraOpNumThreads!(options, Int32(threads)))
        try check(api, api.pointee.SetGlobalInterOpNumThreads!(options, 1))
        // Every failure is returned as a status. A library does not write to its host's stderr.
        let quiet: OrtLoggingFunction = { _, _, _, _, _, _ in }
        var environment: OpaquePointer?
        try check(
            api,
            withoutTelemetry {
                // The pool's threads start with the floating-point control of the thread that creates them.
                CallingThread.lend {
                    api.pointee.CreateEnvWithCustomLoggerAndGlobalThreadPools!(
                        quiet, nil, ORT_LOGGING_LEVEL_FATAL, "dama", options, &environment)
                }
            })
        guard let environment else { throw .internal("ONNX Runtime returned no environment") }
        return environment
    }

    /// Disables the runtime's telemetry while `body` creates the environment.
    ///
    /// From 1.29 on the runtime reports to its vendor on Linux too, and keeps an identifier and a queue below the home
    /// folder. DisableTelemetryEvents needs an environment, so it comes too late: they are already written. The
    /// variable is read only while the environment is created. A value that the user has set takes precedence.
    private static func withoutTelemetry(_ body: () -> OrtStatusPtr?) -> OrtStatusPtr? {
        var state = cdama_environment()
        cdama_environment_add(&state, telemetryEntry)
        defer { cdama_environment_restore(&state) }
        return body()
    }

    nonisolated(unsafe) private static let telemetryEntry = strdup("ORT_DISABLE_TELEMETRY=1")

    private static func availableProviders(_ api: UnsafePointer<OrtApi>) throws(DamaError) -> [String] {
        var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        var count: Int32 = 0
        try check(api, api.pointee.GetAvailableProviders!(&names, &count))
        defer { discard(api, api.pointee.ReleaseAvailableProviders!(names, count)) }
        return (0..<Int(count)).compactMap { index in names?[index].map { String(cString: $0) } }
    }

    /// - Throws: ``DamaError/Code/unsupported`` in a child made by `fork` alone, which lacks the pool's threads:
    ///   running a session would wait for them for ever.
    func checkProcess() throws(DamaError) {
        guard getpid() == process else {
            throw .unsupported(
                "ONNX Runtime was started before this process was forked, and the child lacks its threads; "
                    + "start worker processes with exec (in Python: multiprocessing's \"spawn\")")
        }
    }
}
