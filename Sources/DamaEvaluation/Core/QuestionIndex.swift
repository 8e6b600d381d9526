import DamaSupport

/// Finds a benchmark's questions by their ids. The integer 7 and the string "7" are the same id, because official files
/// hold either.
package struct QuestionIndex: Sendable {
    private let positions: [ExactText: Int]
    private let range: String

    package init(_ questions: [BenchmarkQuestion]) {
        self.init(ids: questions.map(\.id))
    }

    package init(ids: [JSON]) {
        var positions = [ExactText: Int](minimumCapacity: ids.count)
        for (position, id) in ids.enumerated() where positions[Self.key(id)] == nil {
            positions[Self.key(id)] = position
        }
        self.positions = positions
        range = ids.first.map { first in "\(first.text) to \((ids.last ?? first).text)" } ?? "none"
    }

    /// The position of the question with this id.
    ///
    /// - Throws: ``BadAnswer`` if there is none.
    package func position(of id: JSON) throws(BadAnswer) -> Int {
        switch id {
        case .int, .string, .number: break
        default: throw BadAnswer(.wrongType, "the id is \(id.text); expected a string or an integer")
        }
        guard let position = positions[Self.key(id)] else {
            throw BadAnswer(
                .unknownQuestion,
                "the benchmark has no question \(id.text); its \(positions.count) questions have the ids \(range)")
        }
        return position
    }

    private static func key(_ id: JSON) -> ExactText { ExactText(id.string ?? id.text) }
}

extension JSON {
    /// The first of these members that is there and not `null`.
    ///
    /// - Throws: ``BadAnswer`` naming all of them if none is there.
    package func first(of names: [String]) throws(BadAnswer) -> JSON {
        for name in names {
            if let value = self[name], value != .null { return value }
        }
        throw BadAnswer(.missingField, "the field \(names.map { "\"\($0)\"" }.joined(separator: " or ")) is missing")
    }

    /// The text of the first of these members that is there.
    ///
    /// - Throws: ``BadAnswer`` if none is there, or if it is not a string.
    package func text(of names: [String]) throws(BadAnswer) -> String {
        let value = try first(of: names)
        guard let text = value.string else {
            throw BadAnswer(
                .wrongType, "\(names.map { "\"\($0)\"" }.joined(separator: " or ")) is not a string")
        }
        return text
    }
}
