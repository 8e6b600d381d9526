import COnnxRuntime
import DamaSupport
import Synchronization

/// A handle with which another thread stops a run.
public final class RunOptions: @unchecked Sendable {
    let runtime: OnnxRuntime
    let options: OpaquePointer
    private let isCancelled = Atomic(false)

    public init(_ runtime: OnnxRuntime) throws(DamaError) {
        var options: OpaquePointer?
        try runtime.check(runtime.api.pointee.CreateRunOptions!(&options))
        guard let options else { throw .internal("ONNX Runtime returned no run options") }
        self.runtime = runtime
        self.options = options
    }

    deinit { runtime.api.pointee.ReleaseRunOptions!(options) }

    /// Stops the runs that use these options, between two operators, and every later one: they throw
    /// ``DamaError/cancelled``. Safe to call from any thread.
    public func cancel() {
        isCancelled.store(true, ordering: .releasing)
        OnnxRuntime.discard(runtime.api, runtime.api.pointee.RunOptionsSetTerminate!(options))
    }

    /// - Throws: ``DamaError/cancelled`` after ``cancel()``; for work between runs.
    public func check() throws(DamaError) {
        if isCancelled.load(ordering: .acquiring) { throw .cancelled }
    }

    /// ``DamaError/cancelled`` in place of any error of a run after ``cancel()``.
    func explain(_ error: DamaError) -> DamaError {
        isCancelled.load(ordering: .acquiring) ? .cancelled : error
    }
}
