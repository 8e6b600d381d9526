import CDama
import Dama
import Synchronization

/// What a `dama_cancellation *` points to: a wish to stop, made by any thread, heard by every call that was given it.
final class Cancellation: Sendable {
    private struct State {
        var isCancelled = false
        /// Of the one runtime that a process has; made by the first call that is given the cancellation.
        var run: RunOptions?
    }

    private let state = Mutex(State())

    static func from(_ handle: OpaquePointer?) -> Cancellation? {
        handle.map { Unmanaged<Cancellation>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() }
    }

    func cancel() {
        state.withLock {
            $0.isCancelled = true
            $0.run?.cancel()
        }
    }

    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// What `policy` runs with, so that the cancellation stops it; `nil` where the caller gave none.
    ///
    /// - Throws: ``DamaError/cancelled`` where there is no need to begin.
    static func run(_ handle: OpaquePointer?, _ policy: Policy) throws -> RunOptions? {
        guard let cancellation = from(handle) else { return nil }
        return try cancellation.state.withLock { state in
            if state.isCancelled { throw DamaError.cancelled }
            if let run = state.run { return run }
            let run = try policy.makeRunOptions()
            state.run = run
            return run
        }
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
    !isForkedChild && Cancellation.from(cancellation)?.isCancelled == true ? 1 : 0
}
