import Synchronization

/// Makes values on another thread, at most two ahead of the consumer: one waits, and one is in the making.
package final class ReadAhead<Element: Sendable>: Sendable {
    private let queue: BoundedQueue<Result<Element?, DamaError>>
    private let thread: BackgroundThread

    /// - Parameter produce: makes the values in their order. It hands each to its argument, which waits for room and
    ///   returns false once the consumer wants no more.
    /// - Throws: ``DamaError/Code/outOfMemory`` if the system cannot start a thread.
    package init(
        _ produce: @escaping @Sendable (_ put: (Element) -> Bool) throws(DamaError) -> Void
    ) throws(DamaError) {
        let queue = BoundedQueue<Result<Element?, DamaError>>(capacity: 1)
        self.queue = queue
        thread = try BackgroundThread {
            do throws(DamaError) {
                try produce { queue.put(.success($0)) }
                _ = queue.put(.success(nil))
            } catch {
                _ = queue.put(.failure(error))
            }
        }
    }

    /// The next value; `nil` after the last.
    ///
    /// - Parameter waiting: called many times a second while no value is ready; an error it throws ends the wait.
    /// - Throws: what making this value threw.
    package func next(waiting: () throws(DamaError) -> Void) throws(DamaError) -> Element? {
        guard let result = try queue.take(waiting: waiting) else { return nil }
        return try result.get()
    }

    /// Takes no more values and waits until the thread has ended. Must be called exactly once.
    package func close() {
        queue.close()
        thread.join()
    }
}

/// A bounded queue between two threads: ``put(_:)`` waits while it is full, ``take(waiting:)`` while it is empty.
private final class BoundedQueue<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var isClosed = false
    }

    private let state = Mutex(State())
    private let free: CountingSemaphore
    private let filled = CountingSemaphore(value: 0)

    init(capacity: Int) { free = CountingSemaphore(value: max(1, capacity)) }

    /// Adds an element. Returns false if the other side has closed the queue.
    func put(_ element: sending Element) -> Bool {
        free.wait()
        let isOpen = state.withLock { state in
            if !state.isClosed { state.elements.append(element) }
            return !state.isClosed
        }
        if isOpen { filled.signal() } else { free.signal() }
        return isOpen
    }

    /// The next element.
    ///
    /// - Parameter waiting: Called repeatedly while the queue is empty; an error it throws ends the wait.
    func take(waiting: () throws(DamaError) -> Void) throws(DamaError) -> Element? {
        while !filled.wait(milliseconds: StopSignal.interval) { try waiting() }
        let element = state.withLock { $0.elements.isEmpty ? nil : $0.elements.removeFirst() }
        free.signal()
        return element
    }

    /// Closes the queue: current and later calls of ``put(_:)`` return without waiting.
    func close() {
        state.withLock { state in
            state.isClosed = true
            state.elements.removeAll()
        }
        free.signal()
    }
}
