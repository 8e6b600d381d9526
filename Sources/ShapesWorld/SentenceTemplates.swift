import DamaSupport

/// English for facts: several ways to say each.
package enum SentenceTemplates {
    // {s} size, {c} colour, {f} shape, {p} place.
    static let objects = [
        "There is a {s} {c} {f} at the {p}.",
        "A {s} {c} {f} is at the {p}.",
        "At the {p} there is a {s} {c} {f}.",
        "The {p} shows a {s} {c} {f}.",
        "I see a {s} {c} {f} at the {p}.",
        "The {c} {f} at the {p} is {s}.",
    ]
    static let unplaced = ["There is a {s} {c} {f}.", "I see a {s} {c} {f}."]
    // {c} {f} the subject, {r} the relation, {d} {g} the other object.
    static let relations = [
        "The {c} {f} is {r} the {d} {g}.",
        "A {c} {f} is {r} a {d} {g}.",
        "The {c} {f} appears {r} the {d} {g}.",
        "I see a {c} {f} {r} a {d} {g}.",
    ]

    static func phrases(_ relation: Relation) -> [String] {
        switch relation {
        case .leftOf: ["left of", "to the left of"]
        case .rightOf: ["right of", "to the right of"]
        case .above: ["above", "higher than"]
        case .below: ["below", "lower than"]
        }
    }

    /// Requests for a description, as a user would put them.
    package static let questions = [
        "Describe the image in detail.",
        "What is in this image?",
        "Please describe this picture.",
        "Tell me what the image shows.",
    ]

    /// A sentence that claims `fact`.
    package static func sentence(_ fact: Fact, _ random: inout RandomGenerator) -> String {
        switch fact {
        case .object(let shape, let color, let size, let place):
            let template = random.pick(place == nil ? unplaced : objects) ?? ""
            return fill(template) { slot in
                switch slot {
                case "s": size?.word ?? ""
                case "c": color.word
                case "f": shape.word
                default: place?.words ?? ""
                }
            }
        case .relation(let subject, let relation, let other):
            let phrase = random.pick(phrases(relation)) ?? ""
            return fill(random.pick(relations) ?? "") { slot in
                switch slot {
                case "c": subject.color.word
                case "f": subject.shape.word
                case "r": phrase
                case "d": other.color.word
                default: other.shape.word
                }
            }
        }
    }

    /// Fills the slots, writes "an" for "a" before a vowel, and drops the space of an empty slot.
    static func fill(_ template: String, _ value: (Character) -> String) -> String {
        var text = ""
        var rest = template[...]
        while let open = rest.firstIndex(of: "{") {
            text += rest[..<open]
            let slot = rest[rest.index(after: open)]
            text += value(slot)
            rest = rest[rest.index(open, offsetBy: 3)...]
        }
        text += rest
        var words = text.split(separator: " ").map(String.init)
        for index in words.indices.dropLast() where words[index] == "a" || words[index] == "A" {
            if let first = words[index + 1].first, "aeiou".contains(first) { words[index] += "n" }
        }
        return words.joined(separator: " ")
    }
}
