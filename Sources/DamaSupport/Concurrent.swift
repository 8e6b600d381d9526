import CDamaShims
import Synchronization

/// Threads for independent pieces of work. They need no file descriptor. If the system cannot start a thread, the
/// calling thread does the work.
package enum Concurrent {
    /// Calls `body` for every number in `0..<count`, on up to `threads` threads that take the next free one.
    ///
    /// - Parameter threads: The number of threads; 0 for the number of processors.
    package static func forEach(_ count: Int, threads: Int = 0, _ body: @Sendable (Int) -> Void) {
        guard count > 0 else { return }
        let wanted = threads > 0 ? threads : processors
        guard count > 1, wanted > 1 else {
            for index in 0..<count { body(index) }
            return
        }
        withoutActuallyEscaping(body) { body in
            var call = Call(body: body)
            withUnsafeMutablePointer(to: &call) { call in
                cdama_parallel(
                    count, wanted,
                    { context, index in context?.assumingMemoryBound(to: Call.self).pointee.body(index) }, call)
            }
        }
    }

    /// What `transform` returns for every number in `0..<count`, in order, from up to `threads` threads.
    ///
    /// - Parameter threads: The number of threads; 0 for the number of processors.
    /// - Throws: the error for the first number that failed, in the numbers' order. Numbers after a failed one may be
    ///   left out: each might wait long for a server that is gone.
    package static func map<Output: Sendable>(
        _ count: Int, threads: Int = 0, _ transform: @Sendable (Int) throws(DamaError) -> Output
    ) throws(DamaError) -> [Output] {
        var results: [Result<Output, DamaError>?] = Array(repeating: nil, count: count)
        let firstFailed = Atomic(Int.max)
        results.withUnsafeMutableBufferPointer { buffer in
            nonisolated(unsafe) let slots = buffer
            forEach(count, threads: threads) { index in
                guard index < firstFailed.load(ordering: .relaxed) else { return }
                do throws(DamaError) {
                    slots[index] = .success(try transform(index))
                } catch {
                    slots[index] = .failure(error)
                    firstFailed.min(index, ordering: .relaxed)
                }
            }
        }
        var outputs: [Output] = []
        outputs.reserveCapacity(count)
        for result in results {
            guard let result else { throw .internal("a thread left out an element") }
            outputs.append(try result.get())
        }
        return outputs
    }

    private struct Call {
        let body: @Sendable (Int) -> Void
    }

    private static let processors = Processors.usable
}

/// A separate thread, for work in parallel to the caller's.
package final class BackgroundThread: Sendable {
    private nonisolated(unsafe) let thread: OpaquePointer

    private final class Work: Sendable {
        let body: @Sendable () -> Void

        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// - Throws: ``DamaError/Code/outOfMemory`` if the system cannot start a thread.
    package init(_ body: @escaping @Sendable () -> Void) throws(DamaError) {
        let work = Unmanaged.passRetained(Work(body))
        let thread = cdama_thread_start(
            { context in
                guard let context else { return }
                Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
            }, work.toOpaque())
        guard let thread else {
            work.release()
            throw .outOfMemory("cannot start a thread: \(describeErrno())")
        }
        self.thread = thread
    }

    /// Waits until the work is done. Must be called exactly once; without the call the thread is never freed.
    package func join() { cdama_thread_join(thread) }
}

/// A count that threads wait for.
package final class CountingSemaphore: Sendable {
    private nonisolated(unsafe) let semaphore: OpaquePointer?

    package init(value: Int) { semaphore = cdama_semaphore_create(max(0, value)) }

    deinit { cdama_semaphore_free(semaphore) }

    package func signal() { if let semaphore { cdama_semaphore_signal(semaphore) } }

    package func wait() { if let semaphore { _ = cdama_semaphore_wait(semaphore, -1) } }

    /// False if `milliseconds` passed without a signal.
    package func wait(milliseconds: Int) -> Bool {
        guard let semaphore else { return true }
        return cdama_semaphore_wait(semaphore, max(0, milliseconds)) != 0
    }
}
