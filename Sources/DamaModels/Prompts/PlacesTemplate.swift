import DamaSupport

/// A template that is one text with places, as a Jinja program.
struct PlacesTemplate {
    let program: String

    private enum Piece {
        case text(String)
        case place(String)
    }

    private static let places = ["{system}", "{image}", "{question}", "{response}", "{end}"]

    /// - Throws: ``DamaError/Code/invalidArgument`` for a missing or repeated place.
    init(_ template: String) throws(DamaError) {
        let pieces = Self.pieces(template)
        func count(_ place: String) -> Int {
            pieces.count { if case .place(place) = $0 { true } else { false } }
        }
        let shown = JSON.string(template).text
        for place in ["{question}", "{response}"] where count(place) != 1 {
            throw .invalidArgument("the template must contain \(place) exactly once: \(shown)")
        }
        for place in ["{image}", "{system}"] where count(place) > 1 {
            throw .invalidArgument("the template must not contain \(place) more than once: \(shown)")
        }
        let cut = pieces.firstIndex { if case .place("{response}") = $0 { true } else { false } } ?? pieces.endIndex
        var prompt = Array(pieces[..<cut])
        let ending = pieces[cut...].dropFirst()
        let isOrdered = ending.allSatisfy { if case .place(let name) = $0 { name == "{end}" } else { true } }
        guard isOrdered else {
            throw .invalidArgument(
                "the template must contain {question}, {image} and {system} before {response}: \(shown)")
        }
        // The tokenizer joins white space before the response to its first word, so it belongs to the response.
        var space = ""
        if case .text(let last)? = prompt.last {
            let words = last.unicodeScalars
            let end = words.lastIndex { $0 != " " }.map(words.index(after:)) ?? words.startIndex
            space = String(words[end...])
            prompt[prompt.count - 1] = .text(String(words[..<end]))
        }
        program = Self.program(
            system: count("{system}") == 1, image: count("{image}") == 1, prompt: prompt, space: space,
            ending: Array(ending))
    }

    private static func program(
        system: Bool, image: Bool, prompt: [Piece], space: String, ending: [Piece]
    ) -> String {
        // Line breaks between images, as in transformers' LLaVA template, if one follows their place.
        var separator = ""
        for (place, next) in zip(prompt, prompt.dropFirst()) {
            if case .place("{image}") = place, case .text(let text) = next, text.utf8.first == UInt8(ascii: "\n") {
                separator = "\n"
            }
        }
        func write(_ pieces: [Piece]) -> String {
            pieces.map { piece in
                switch piece {
                case .text(let text): "{{ \(literal(text)) }}"
                case .place("{system}"): "{{ state.system }}"
                case .place("{image}"): "{{ images(message['content'], \(literal(separator))) }}"
                case .place("{question}"): "{{ text(message['content']) }}"
                default: "{{ eos_token }}"
                }
            }.joined()
        }
        let refusal = "{{ raise_exception('the template has no place {system}') }}"
        return "{% macro text(parts) %}{% if parts is string %}{{ parts }}{% else %}{% for part in parts %}"
            + "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}{% endmacro %}"
            + "{% macro images(parts, between) %}{% if parts is not string %}"
            + "{% for part in parts if part['type'] == 'image' %}{{ image_token }}"
            + "{% if not loop.last %}{{ between }}{% endif %}{% endfor %}{% endif %}{% endmacro %}"
            + "{% set state = namespace(system='') %}{% for message in messages %}"
            + "{% if message['role'] == 'system' %}{% set state.system = text(message['content']) %}"
            + (system ? "" : "{% if state.system %}\(refusal){% endif %}")
            + "{% elif message['role'] == 'assistant' %}{{ \(literal(space)) + text(message['content']) }}"
            + write(ending) + "{% elif message['role'] == 'user' %}" + write(prompt) + "{% set state.system = '' %}"
            + "{% else %}{{ raise_exception('the template has no role ' + message['role']) }}{% endif %}{% endfor %}"
    }

    /// The text as a string of Jinja.
    private static func literal(_ text: String) -> String {
        var result = "'"
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "'": result += "\\'"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "'"
    }

    private static func pieces(_ template: String) -> [Piece] {
        let bytes = Array(template.utf8)
        var pieces: [Piece] = []
        var (start, place) = (0, 0)
        func text(_ end: Int) -> [Piece] {
            start < end ? [.text(String(decoding: bytes[start..<end], as: UTF8.self))] : []
        }
        while place < bytes.count {
            guard let name = Self.places.first(where: { bytes[place...].starts(with: $0.utf8) }) else {
                place += 1
                continue
            }
            pieces += text(place) + [.place(name)]
            place += name.utf8.count
            start = place
        }
        return pieces + text(bytes.count)
    }
}
