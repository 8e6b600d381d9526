import DamaSupport

/// What AMBER knows about its pictures: `annotations.json`.
struct AmberAnnotations: Sendable {
    /// By id; the first one has the id 1.
    let items: [Item]

    enum Item: Sendable {
        /// A picture to describe: the objects that are in it, and those that a model may imagine.
        case description(truth: [String], hallu: [String])
        /// A question to answer with yes or no.
        case question(Dimension, isYes: Bool)
    }

    /// What a question asks for. The value begins the names of counts and metrics.
    enum Dimension: String, CaseIterable, Sendable {
        case existence, state, number, action, relation
    }

    /// - Parameter name: The file, for messages.
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the annotation that is not as AMBER's.
    init(_ json: JSON, name: String) throws(DamaError) {
        guard let rows = json.array else { throw .invalidArgument("\(name) is \(json.kind); expected an array") }
        var items: [Item] = []
        items.reserveCapacity(rows.count)
        for (position, row) in rows.enumerated() {
            guard row["id"]?.int == position + 1 else {
                throw .invalidArgument(
                    "\(name): annotation \(position + 1) has the id \(row["id"]?.text ?? "null"); expected its position"
                )
            }
            guard let type = row["type"]?.string, let item = Self.item(type, row) else {
                throw .invalidArgument("\(name): annotation \(position + 1) lacks type, truth or hallu, or has others")
            }
            items.append(item)
        }
        self.items = items
    }

    private static func item(_ type: String, _ row: JSON) -> Item? {
        if type == "generative" {
            guard let truth = words(row["truth"]), let hallu = words(row["hallu"]) else { return nil }
            return .description(truth: truth, hallu: hallu)
        }
        guard let dimension = dimension(type), let truth = row["truth"]?.string, truth == "yes" || truth == "no" else {
            return nil
        }
        return .question(dimension, isYes: truth == "yes")
    }

    private static func words(_ json: JSON?) -> [String]? {
        guard let list = json?.array else { return nil }
        let words = list.compactMap(\.string)
        return words.count == list.count ? words : nil
    }

    private static func dimension(_ type: String) -> Dimension? {
        switch type {
        case "discriminative-hallucination": .existence
        case "discriminative-attribute-state": .state
        case "discriminative-attribute-number": .number
        case "discriminative-attribute-action": .action
        case "discriminative-relation", "relation": .relation
        default: nil
        }
    }
}
