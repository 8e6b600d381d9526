import DamaJinja
import DamaSupport
import DamaTestSupport
import XCTest

/// The formats of public model families, each rendered with every conversation, against jinja2
/// (Fixtures/Templates/make_renderings.py).
final class TemplateFamilyTests: XCTestCase {
    /// A family's template and variables, and the fields that are expected, by conversation.
    private struct Family {
        let name: String
        let template: JinjaTemplate
        let variables: [JSONObject.Member]
        let renderings: JSON
    }

    private func families() throws -> (date: CalendarDate, families: [Family], conversations: [JSON]) {
        let json = try Fixtures.json("Templates/renderings.json")
        let numbers = try XCTUnwrap(json["date"]?.array).compactMap(\.int)
        let date = CalendarDate(
            year: numbers[0], month: numbers[1], day: numbers[2], hour: numbers[3], minute: numbers[4],
            second: numbers[5])
        let families = try XCTUnwrap(json["families"]?.object).members.map { name, family in
            Family(
                name: name,
                template: try JinjaTemplate(
                    String(decoding: Files.read(Fixtures.path("Templates/\(name).jinja")), as: UTF8.self)),
                variables: try XCTUnwrap(family["variables"]?.object).members,
                renderings: try XCTUnwrap(family["renderings"]))
        }
        return (date, families, try XCTUnwrap(Fixtures.json("Templates/conversations.json").array))
    }

    /// The text of some messages of a conversation; `nil` where the template fails.
    private func text(
        _ family: Family, _ conversation: JSON, _ messages: some Sequence<JSON>, prompts: Bool, _ date: CalendarDate
    ) -> String? {
        var variables = family.variables.map { ($0.key, Value($0.value)) }
        variables += (conversation["variables"]?.object?.members ?? []).map { ($0.key, Value($0.value)) }
        variables += [("messages", Value(.array(Array(messages)))), ("add_generation_prompt", Value(.bool(prompts)))]
        return try? family.template.render(variables, date: date)
    }

    func testEveryFamilyAsJinja2() throws {
        let (date, families, conversations) = try families()
        XCTAssertGreaterThanOrEqual(families.count, 44)
        XCTAssertGreaterThanOrEqual(conversations.count, 5)
        var refusals = 0
        for family in families {
            for conversation in conversations {
                let name = try XCTUnwrap(conversation["name"]?.string)
                let messages = try XCTUnwrap(conversation["messages"]?.array)
                let expected = try XCTUnwrap(family.renderings[name], "\(family.name), \(name)")
                let plain = expected["text"]?.string
                let prompted =
                    expected["adds"]?.string.flatMap { added in plain.map { $0 + added } }
                    ?? expected["prompted"]?.string
                for (prompts, wanted) in [(false, plain), (true, prompted)] {
                    let text = text(family, conversation, messages, prompts: prompts, date)
                    XCTAssertEqual(
                        text.map { Array($0.utf8) }, wanted.map { Array($0.utf8) },
                        "\(family.name), \(name), generation prompt \(prompts): \(text ?? "refused")")
                    if wanted == nil { refusals += 1 }
                }
            }
        }
        XCTAssertGreaterThan(refusals, 100)
    }

    /// Where the prompt of the last answer begins the whole text, and where not: thoughts that a template cuts, or
    /// tools that only the last question shows.
    func testWhetherThePromptIsAPrefix() throws {
        let (date, families, conversations) = try families()
        var counts = [true: 0, false: 0]
        for family in families {
            for conversation in conversations {
                let name = try XCTUnwrap(conversation["name"]?.string)
                let messages = try XCTUnwrap(conversation["messages"]?.array)
                guard let expected = family.renderings[name]?["prompt_is_prefix"] else { continue }
                let whole = try XCTUnwrap(text(family, conversation, messages, prompts: false, date))
                let prompt = text(family, conversation, messages.dropLast(), prompts: true, date)
                let isPrefix = prompt.map { whole.utf8.starts(with: $0.utf8) }
                XCTAssertEqual(isPrefix, expected.bool, "\(family.name), \(name)")
                if let isPrefix { counts[isPrefix, default: 0] += 1 }
            }
        }
        XCTAssertGreaterThan(counts[true] ?? 0, 200)
        XCTAssertGreaterThan(counts[false] ?? 0, 20)
    }
}
