import DamaSupport
import Synchronization

/// Threads for reading, decoding and splitting, beside the model.
struct Workers: Sendable {
    let count: Int

    /// - Parameter count: 0 for as many as there are processors, at most 8.
    init(count: Int) { self.count = count > 0 ? min(count, 256) : min(Processors.usable, 8) }

    /// Applies `transform` to every element on the workers, and returns the results in order. Throws the error of the
    /// first element that failed, in the elements' order.
    func map<Element: Sendable, Output: Sendable>(
        _ elements: [Element], _ transform: @Sendable (Element) throws(DamaError) -> Output
    ) throws(DamaError) -> [Output] {
        var results: [Result<Output, DamaError>?] = Array(repeating: nil, count: elements.count)
        // Elements after a failed one need not be tried: each might wait long for a server that is gone.
        let firstFailed = Atomic(Int.max)
        results.withUnsafeMutableBufferPointer { buffer in
            nonisolated(unsafe) let slots = buffer
            Concurrent.forEach(elements.count, threads: count) { index in
                guard index < firstFailed.load(ordering: .relaxed) else { return }
                do throws(DamaError) {
                    slots[index] = .success(try transform(elements[index]))
                } catch {
                    slots[index] = .failure(error)
                    firstFailed.min(index, ordering: .relaxed)
                }
            }
        }
        var outputs: [Output] = []
        outputs.reserveCapacity(elements.count)
        for result in results {
            guard let result else { throw .internal("a worker skipped an element") }
            outputs.append(try result.get())
        }
        return outputs
    }
}

/// A bounded queue between two threads: ``put(_:)`` waits while it is full, ``take(waiting:)`` while it is empty.
final class BoundedQueue<Element: Sendable>: Sendable {
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
