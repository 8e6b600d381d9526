import DamaSupport
import Synchronization

/// A number of threads for the work beside the model: reading, decoding, splitting.
struct Workers: Sendable {
    let count: Int

    /// - Parameter count: 0 for as many as there are processors, at most 8.
    init(count: Int) { self.count = count > 0 ? min(count, 256) : min(Processors.usable, 8) }

    /// `transform` of every element, in order, on the workers. The first error, in the elements' order, is thrown.
    func map<Element: Sendable, Output: Sendable>(
        _ elements: [Element], _ transform: @Sendable (Element) throws(DamaError) -> Output
    ) throws(DamaError) -> [Output] {
        var results: [Result<Output, DamaError>?] = Array(repeating: nil, count: elements.count)
        results.withUnsafeMutableBufferPointer { buffer in
            nonisolated(unsafe) let slots = buffer
            Concurrent.forEach(elements.count, threads: count) { index in
                do throws(DamaError) {
                    slots[index] = .success(try transform(elements[index]))
                } catch {
                    slots[index] = .failure(error)
                }
            }
        }
        var outputs: [Output] = []
        outputs.reserveCapacity(elements.count)
        for result in results {
            guard let result else { throw .internal("a worker left an element out") }
            outputs.append(try result.get())
        }
        return outputs
    }
}

/// A queue between two threads that holds few elements: who puts waits while it is full, who takes while it is empty.
final class BoundedQueue<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var isClosed = false
    }

    private let state = Mutex(State())
    private let free: CountingSemaphore
    private let filled = CountingSemaphore(value: 0)

    init(capacity: Int) { free = CountingSemaphore(value: max(1, capacity)) }

    /// False where the other side has closed the queue, and nobody will take the element.
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
    /// - Parameter waiting: called again and again while there is none; what it throws ends the wait.
    func take(waiting: () throws(DamaError) -> Void) throws(DamaError) -> Element? {
        while !filled.wait(milliseconds: StopSignal.interval) { try waiting() }
        let element = state.withLock { $0.elements.isEmpty ? nil : $0.elements.removeFirst() }
        free.signal()
        return element
    }

    /// Nothing more will be taken: wakes whoever waits to put, now and later.
    func close() {
        state.withLock { state in
            state.isClosed = true
            state.elements.removeAll()
        }
        free.signal()
    }
}
