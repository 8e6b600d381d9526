import CDama
import Dama
import Synchronization

/// What a `dama_cancellation *` points to: a request of any thread to stop all calls that use it.
final class Cancellation: Sendable {
    /// Checked while a call waits for other programs, and between the runs of a model.
    let signal = StopSignal()
    /// Stops a model inside a run. The first call that runs a model creates it for the process's ONNX Runtime.
    private let run = Mutex<RunOptions?>(nil)

    static func from(_ handle: OpaquePointer?) -> Cancellation? {
        handle.map { Unmanaged<Cancellation>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() }
    }

    func cancel() {
        run.withLock {
            signal.stop()
            $0?.cancel()
        }
    }

    /// The options of a model's run, through which the cancellation stops it; `nil` without a cancellation.
    ///
    /// - Parameter make: `makeRunOptions` of the model.
    /// - Throws: ``DamaError/cancelled`` if it is already cancelled.
    static func run(_ handle: OpaquePointer?, _ make: () throws(DamaError) -> RunOptions) throws -> RunOptions? {
        guard let cancellation = from(handle) else { return nil }
        return try cancellation.run.withLock { known in
            try cancellation.signal.check()
            if let known { return known }
            let run = try make()
            known = run
            return run
        }
    }

    /// The signal for calls that wait; without a cancellation a signal that is never set.
    static func signal(_ handle: OpaquePointer?) throws -> StopSignal {
        guard let cancellation = from(handle) else { return StopSignal() }
        try cancellation.signal.check()
        return cancellation.signal
    }
}

@c @implementation
public func dama_cancellation_create(_ out: UnsafeMutablePointer<OpaquePointer?>?) -> dama_status {
    guarded {
        let out = try require(out, "out")
        out.pointee = OpaquePointer(Unmanaged.passRetained(Cancellation()).toOpaque())
    }
}

@c @implementation
public func dama_cancellation_free(_ cancellation: OpaquePointer?) {
    release(cancellation, Cancellation.self)
}

@c @implementation
public func dama_cancellation_cancel(_ cancellation: OpaquePointer?) {
    if !isForkedChild { Cancellation.from(cancellation)?.cancel() }
}

@c @implementation
public func dama_cancellation_is_cancelled(_ cancellation: OpaquePointer?) -> Int32 {
    !isForkedChild && Cancellation.from(cancellation)?.signal.isStopped == true ? 1 : 0
}
