import DamaSupport
import XCTest

/// Asserts that `body` throws a ``DamaError`` with this code whose message is one line that contains `text`.
package func assertFails(
    _ code: DamaError.Code, _ text: String, file: StaticString = #filePath, line: UInt = #line,
    _ body: () throws -> Void
) {
    do {
        try body()
        XCTFail("expected an error with \"\(text)\"", file: file, line: line)
    } catch let error as DamaError {
        XCTAssertEqual(error.code, code, error.message, file: file, line: line)
        XCTAssertTrue(error.message.contains(text), "\"\(error.message)\" lacks \"\(text)\"", file: file, line: line)
        XCTAssertFalse(error.message.contains("\n"), "more than one line: \(error.message)", file: file, line: line)
    } catch {
        XCTFail("unexpected kind of error: \(error)", file: file, line: line)
    }
}
