import DamaJinja
import XCTest

/// A day as an option gives it.
final class CalendarDateTests: XCTestCase {
    func testDays() {
        XCTAssertEqual(CalendarDate("2024-07-26"), CalendarDate(year: 2024, month: 7, day: 26))
        XCTAssertEqual(CalendarDate("2024-02-29"), CalendarDate(year: 2024, month: 2, day: 29))
        XCTAssertEqual(CalendarDate("2000-02-29")?.description, "2000-02-29")
        for text in [
            "", "today", "2024-7-26", "2024-07-26T00:00", "2024-13-01", "2024-00-01", "2024-04-31", "2023-02-29",
            "1900-02-29", "0000-01-01", "2024-01-00", "-024-01-01", "2024-+1-01", "2024-01-01-", "２０２４-01-01",
        ] {
            XCTAssertNil(CalendarDate(text), text)
        }
    }
}
