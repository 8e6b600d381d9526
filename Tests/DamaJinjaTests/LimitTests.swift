import DamaJinja
import DamaSupport
import DamaTestSupport
import XCTest

/// Templates are untrusted programs: each one ends with a text or an error, and never ends the process.
final class LimitTests: XCTestCase {
    private func failure(_ template: String) -> DamaError? {
        do throws(DamaError) {
            _ = try JinjaTemplate(template).render([("l", Value(.array((0..<100).map { .int($0) })))])
            return nil
        } catch {
            return error
        }
    }

    func testWhatGrowsOrDoesNotEndIsStopped() {
        let loops = String(repeating: "{% for i in l %}", count: 5) + String(repeating: "{% endfor %}", count: 5)
        let templates = [
            "steps": loops,
            "characters":
                "{% set ns = namespace(s='0123456789') %}{% for i in l %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
            "levels deep": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "large": "{{ 'abc' * 9223372036854775807 }}",
            "more than 100000": "{{ range(1000000) }}",
            "64 bits": "{{ 9223372036854775807 + 1 }}",
        ]
        for (expected, template) in templates {
            let error = failure(template)
            XCTAssertTrue(error?.message.contains(expected) == true, "\(template): \(error?.message ?? "no error")")
        }
    }

    func testNestingIsRefusedWhenItIsRead() {
        let templates =
            [
                String(repeating: "(", count: 100_000), String(repeating: "-", count: 100_000) + "1",
                String(repeating: "not ", count: 100_000), String(repeating: "[", count: 100_000),
            ].map { "{{ \($0) }}" } + [String(repeating: "{% if l %}", count: 10_000)]
        for template in templates { XCTAssertNotNil(failure(template), String(template.prefix(20))) }
    }

    func testErrorsNameTheLine() {
        XCTAssertEqual(
            failure("a\n{% if l %}\n{{ nothing.x }}\n{% endif %}")?.message,
            "chat template, line 3: 'nothing' is undefined")
        XCTAssertEqual(
            failure("a\n\n{% endif %}")?.message, "chat template, line 3: unknown tag {% endif %}")
        XCTAssertEqual(
            failure("{{ raise_exception('Roles must alternate') }}")?.message,
            "the chat template refuses this: Roles must alternate")
        XCTAssertEqual(failure("{{ strftime_now('%Y') }}")?.message.contains("date"), true)
    }
}
