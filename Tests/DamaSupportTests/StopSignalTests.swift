import DamaSupport
import Synchronization
import XCTest

final class StopSignalTests: XCTestCase {
    func testWorkThatCannotLookIsStoppedFromAnotherThread() throws {
        let signal = StopSignal()
        let (begun, heard) = (CountingSemaphore(value: 0), CountingSemaphore(value: 0))
        let thread = try BackgroundThread {
            if begun.wait(milliseconds: 10_000) { signal.stop() }
        }
        let result = try signal.whileHeard(by: { heard.signal() }) {
            begun.signal()
            return heard.wait(milliseconds: 10_000)
        }
        thread.join()
        XCTAssertTrue(result)
        XCTAssertTrue(signal.isStopped)
    }

    func testWorkThatHasEndedIsNotStopped() throws {
        let signal = StopSignal()
        let count = Atomic(0)
        try signal.whileHeard(by: { count.add(1, ordering: .relaxed) }) {}
        signal.stop()
        XCTAssertEqual(count.load(ordering: .relaxed), 0)
    }

    func testNothingBeginsOnceItIsSet() {
        let signal = StopSignal()
        signal.stop()
        XCTAssertThrowsError(try signal.whileHeard(by: {}) { XCTFail("it ran") }) {
            XCTAssertEqual(($0 as? DamaError)?.code, .cancelled)
        }
    }
}
