/// Parses a sentence into the fact that it claims.
///
/// Written without the templates: it looks for the words that carry meaning and skips a fixed set of others. So it
/// reads every template and a model's variations of it, and nothing else.
package enum SentenceParser {
    private static let silent: Set<String> = [
        "there", "is", "a", "an", "the", "at", "in", "i", "see", "shows", "appears", "to",
    ]
    private static let shapes = Dictionary(uniqueKeysWithValues: Shape.allCases.map { ($0.word, $0) })
    private static let colors = Dictionary(uniqueKeysWithValues: Color.allCases.map { ($0.word, $0) })
    private static let sizes = Dictionary(uniqueKeysWithValues: Size.allCases.map { ($0.word, $0) })
    private static let relations: [(words: [String], relation: Relation)] = [
        (["left", "of"], .leftOf), (["right", "of"], .rightOf), (["above"], .above), (["higher", "than"], .above),
        (["below"], .below), (["lower", "than"], .below),
    ]
    private static let places: [(words: [String], place: Place)] = Place.allCases.map {
        ($0.words.split(separator: " ").map(String.init), $0)
    }

    private enum Item: Equatable {
        case shape(Shape), color(Color), size(Size), place(Place), relation(Relation)
    }

    /// The sentences of a response: each ends with ".", "!" or "?", and the text after the last of these is one too.
    package static func sentences(_ response: String) -> [String] {
        response.split { ".!?\n".contains($0) }
            .map { $0.drop { $0.isWhitespace } }
            .filter { !$0.isEmpty }
            .map { $0 + "." }
    }

    /// The fact that `sentence` claims; `nil` if it claims no fact of this world.
    package static func parse(_ sentence: String) -> Fact? {
        let words = sentence.lowercased().split { !$0.isLetter }.map(String.init)
        guard let items = read(words) else { return nil }
        return objectFact(items) ?? relationFact(items)
    }

    private static func read(_ words: [String]) -> [Item]? {
        var items: [Item] = []
        var rest = words[...]
        while let word = rest.first {
            // "left of" is tried before the place "… left": a place needs its first word too, a relation its second.
            if let match = relations.first(where: { rest.starts(with: $0.words) }) {
                items.append(.relation(match.relation))
                rest = rest.dropFirst(match.words.count)
            } else if let match = places.first(where: { rest.starts(with: $0.words) }) {
                items.append(.place(match.place))
                rest = rest.dropFirst(match.words.count)
            } else {
                if let shape = shapes[word] {
                    items.append(.shape(shape))
                } else if let color = colors[word] {
                    items.append(.color(color))
                } else if let size = sizes[word] {
                    items.append(.size(size))
                } else if !silent.contains(word) {
                    return nil
                }
                rest = rest.dropFirst()
            }
        }
        return items
    }

    /// One colour directly before one shape; size and place at most once each, anywhere.
    private static func objectFact(_ items: [Item]) -> Fact? {
        var size: Size?
        var place: Place?
        var core: [Item] = []
        for item in items {
            switch item {
            case .size(let value):
                guard size == nil else { return nil }
                size = value
            case .place(let value):
                guard place == nil else { return nil }
                place = value
            default: core.append(item)
            }
        }
        guard core.count == 2, case .color(let color) = core[0], case .shape(let shape) = core[1] else { return nil }
        return .object(shape: shape, color: color, size: size, place: place)
    }

    private static func relationFact(_ items: [Item]) -> Fact? {
        guard items.count == 5, case .color(let color) = items[0], case .shape(let shape) = items[1],
            case .relation(let relation) = items[2], case .color(let otherColor) = items[3],
            case .shape(let otherShape) = items[4]
        else { return nil }
        return .relation(
            Reference(color: color, shape: shape), relation, Reference(color: otherColor, shape: otherShape))
    }
}
