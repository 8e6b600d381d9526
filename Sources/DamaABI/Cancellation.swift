import CDama
import Dama
import Synchronization

/// What a `dama_cancellation *` points to: a request to stop, made by any thread, heard by every call that is given it.
final class Cancellation: Sendable {
    /// Heard by what waits for other programs, and between the runs of a model.
    let signal = StopSignal()
    /// Heard inside a model's run. Of the one runtime that a process has; made by the first call that runs a model.
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

    /// What a model runs with, so that the cancellation stops it; `nil` where the caller gave none.
    ///
    /// - Parameter make: `makeRunOptions` of the model.
    /// - Throws: ``DamaError/cancelled`` where it is cancelled already.
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

    /// The same for what waits; one that is never set where the caller gave none.
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
