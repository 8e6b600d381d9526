import DamaJinja
import DamaSupport
import DamaTestSupport
import XCTest

/// One rule of the language each, with jinja2's text (Fixtures/make_snippets.py) or its refusal.
final class SnippetTests: XCTestCase {
    func testEverySnippetAsJinja2() throws {
        let json = try Files.readJSON(
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures/snippets.json")
        let numbers = try XCTUnwrap(json["date"]?.array).compactMap(\.int)
        let date = CalendarDate(
            year: numbers[0], month: numbers[1], day: numbers[2], hour: numbers[3], minute: numbers[4],
            second: numbers[5])
        let variables = try XCTUnwrap(json["variables"]?.object).members.map { ($0.key, Value($0.value)) }
        let cases = try XCTUnwrap(json["cases"]?.array)
        XCTAssertGreaterThan(cases.count, 100)
        for item in cases {
            let template = try XCTUnwrap(item["template"]?.string)
            let text = try? JinjaTemplate(template).render(variables, date: date)
            XCTAssertEqual(text.map { Array($0.utf8) }, item["text"]?.string.map { Array($0.utf8) }, template)
        }
    }
}
