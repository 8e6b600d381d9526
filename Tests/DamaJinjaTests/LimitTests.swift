import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaJinja

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

    /// What is written in a row nests in the tree that is read, and what is set again and again in the value.
    func testWhatIsLongDoesNotOverflowTheStack() {
        let many = 20_000
        func repeated(_ text: String) -> String { String(repeating: text, count: many) }
        for template in [
            "{{ l\(repeated("|list")) }}", "{{ l\(repeated(".a")) }}", "{{ l\(repeated("[0]")) }}",
            "{{ 1\(repeated("+1")) }}", "{{ 1\(repeated("**1")) }}", "{{ 1\(repeated(" and 1")) }}",
            "{{ 1\(repeated(" or 1")) }}", "{{ 1\(repeated(" ~ 1")) }}", "{{ 1\(repeated(" if 1 else 1")) }}",
            "{{ 1\(repeated(" is defined")) }}", "{{ 1\(repeated(" == 1")) }}",
            "{% if 0 %}\(String(repeating: "{% elif 0 %}", count: 10_000)){% endif %}",
            String(repeating: "{% set x = [x] %}", count: 10_000),
            String(repeating: "{% set x = {1: x} %}", count: 10_000),
            "{% set n = namespace(v=1) %}{% for i in range(90000) %}{% set n.v = [n.v] %}{% endfor %}",
            "{% set n = namespace(v=1) %}{% for i in range(90000) %}{% set n.v = namespace(v=n.v) %}{% endfor %}",
        ] {
            // A text or an error; the process lives on.
            _ = failure(template)
        }
        XCTAssertEqual(failure("{% set n = namespace() %}{% set n.n = n %}")?.message.contains("nests"), true)
    }

    /// Nothing that a template makes outlives its rendering.
    func testWhatATemplateMakesIsFreed() throws {
        let namespace = "{% set n = namespace(kept=given) %}"
        for template in [
            "{% macro f() %}{% endmacro %}",
            "{% for i in l %}{% macro f() %}{% endmacro %}{% endfor %}",
            "\(namespace){% for i in l recursive %}{% set n.f = loop %}{% endfor %}",
            "\(namespace){% macro f() %}{% endmacro %}{% set n.f = f %}",
            "{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}{% set x = f %}{% endcall %}",
            "{% for i in l %}{% if loop.changed(loop, given) %}{% endif %}{% endfor %}",
            "{% macro f() %}{% endmacro %}{{ raise_exception('no') }}",
        ] {
            weak var given: Namespace?
            do {
                let made = Namespace(Mapping())
                given = made
                _ = try? JinjaTemplate(template).render([
                    ("given", .namespace(made)), ("l", .list([.int(1), .int(2)])),
                ])
            }
            XCTAssertNil(given, template)
        }
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
