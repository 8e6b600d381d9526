import DamaSupport
import Foundation
import Synchronization
import XCTest

final class ConcurrentTests: XCTestCase {
    /// Every number once, for any count and number of threads, also from inside a body and from several threads.
    func testEveryNumberIsTakenOnce() throws {
        for (count, threads) in [(0, 4), (1, 4), (5, 1), (1000, 3), (7, 64), (100, 0)] {
            let counts = Mutex([Int](repeating: 0, count: count))
            Concurrent.forEach(count, threads: threads) { index in counts.withLock { $0[index] += 1 } }
            XCTAssertEqual(counts.withLock { $0 }, [Int](repeating: 1, count: count), "\(count) on \(threads)")
        }
        let sum = Atomic(0)
        Concurrent.forEach(20, threads: 4) { outer in
            Concurrent.forEach(50, threads: 4) { inner in sum.add(outer * 50 + inner, ordering: .relaxed) }
        }
        XCTAssertEqual(sum.load(ordering: .relaxed), 999 * 1000 / 2)
        let threads = try (0..<8).map { _ in
            try BackgroundThread {
                for _ in 0..<200 {
                    Concurrent.forEach(8, threads: 4) { _ in sum.add(1, ordering: .relaxed) }
                }
            }
        }
        for thread in threads { thread.join() }
        XCTAssertEqual(sum.load(ordering: .relaxed), 999 * 1000 / 2 + 8 * 200 * 8)
    }

    /// The results in order; the error is that of the first number that fails, whichever thread fails first.
    func testAMapKeepsTheOrderAndItsFirstError() throws {
        for threads in [1, 4, 0] {
            XCTAssertEqual(
                try Concurrent.map(100, threads: threads) { index throws(DamaError) in index * index },
                (0..<100).map { $0 * $0 })
            for _ in 0..<20 {
                XCTAssertThrowsError(
                    try Concurrent.map(200, threads: threads) { index throws(DamaError) in
                        if index % 50 == 37 { throw .invalidArgument("\(index)") }
                        return index
                    }
                ) { XCTAssertEqual(($0 as? DamaError)?.message, "37") }
            }
        }
        XCTAssertEqual(try Concurrent.map(0) { index throws(DamaError) in index }, [])
    }

    func testValuesComeFromAnotherThreadInOrder() throws {
        let made = Atomic(0)
        let ahead = try ReadAhead { put throws(DamaError) in
            for index in 0..<50 {
                made.add(1, ordering: .relaxed)
                guard put(index) else { return }
            }
            throw .io("no more")
        }
        for index in 0..<50 {
            XCTAssertEqual(try ahead.next {}, index)
            // One waits, and one is in the making.
            XCTAssertLessThanOrEqual(made.load(ordering: .relaxed), index + 3)
        }
        XCTAssertThrowsError(try ahead.next {}) { XCTAssertEqual(($0 as? DamaError)?.message, "no more") }
        ahead.close()

        let short = try ReadAhead { put throws(DamaError) in _ = put(1) }
        XCTAssertEqual(try short.next {}, 1)
        XCTAssertNil(try short.next {})
        short.close()
    }

    func testAConsumerMayEndTheValuesEarly() throws {
        let refused = Atomic(false)
        let ahead = try ReadAhead { put throws(DamaError) in
            while put(7) {}
            refused.store(true, ordering: .relaxed)
        }
        XCTAssertEqual(try ahead.next {}, 7)
        ahead.close()
        XCTAssertTrue(refused.load(ordering: .relaxed))

        let never = CountingSemaphore(value: 0)
        let waiting = try ReadAhead<Int> { _ throws(DamaError) in never.wait() }
        XCTAssertThrowsError(try waiting.next { () throws(DamaError) in throw .cancelled }) {
            XCTAssertEqual($0 as? DamaError, .cancelled)
        }
        never.signal()
        waiting.close()
    }

    func testThreadsHearNoSignals() throws {
        let blocked = Mutex(false)
        try BackgroundThread {
            var signals = sigset_t()
            pthread_sigmask(SIG_SETMASK, nil, &signals)
            let isBlocked = sigismember(&signals, SIGTERM) == 1
            blocked.withLock { $0 = isBlocked }
        }.join()
        XCTAssertTrue(blocked.withLock { $0 })
    }

    func testASemaphoreCountsAndTimesOut() {
        let semaphore = CountingSemaphore(value: 1)
        XCTAssertTrue(semaphore.wait(milliseconds: 0))
        let start = Date()
        XCTAssertFalse(semaphore.wait(milliseconds: 60))
        XCTAssertGreaterThanOrEqual(Date().timeIntervalSince(start), 0.055)
        semaphore.signal()
        semaphore.signal()
        semaphore.wait()
        XCTAssertTrue(semaphore.wait(milliseconds: 0))
        XCTAssertFalse(semaphore.wait(milliseconds: 0))
    }

    func testASizeThatCannotBeHadIsAnError() {
        for (count, size) in [(1 << 46, 1), (Int.max, 8), (1 << 40, 1 << 40), (-1, 1)] {
            XCTAssertThrowsError(try Allocation.check(count, of: size, for: "a test")) {
                XCTAssertEqual(($0 as? DamaError)?.code, .outOfMemory)
            }
        }
        XCTAssertNoThrow(try Allocation.check(64 << 20, for: "a test"))
        XCTAssertThrowsError(try FloatMemory(count: 1 << 46)) {
            XCTAssertEqual(($0 as? DamaError)?.code, .outOfMemory)
        }
        XCTAssertThrowsError(try FloatMemory(count: .max))
        XCTAssertThrowsError(try FloatMemory(count: -1))
    }
}
