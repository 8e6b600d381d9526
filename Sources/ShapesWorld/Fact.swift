/// The position of a sentence's subject relative to another object, by rows and columns of the grid.
package enum Relation: Int, CaseIterable, Sendable {
    case leftOf, rightOf, above, below

    package func holds(_ subject: Place, _ other: Place) -> Bool {
        switch self {
        case .leftOf: subject.column < other.column
        case .rightOf: subject.column > other.column
        case .above: subject.row < other.row
        case .below: subject.row > other.row
        }
    }

    /// The opposite: left for right, above for below.
    package var contrary: Relation {
        switch self {
        case .leftOf: .rightOf
        case .rightOf: .leftOf
        case .above: .below
        case .below: .above
        }
    }
}

/// The properties that distinguish an object from all others of its scene.
package struct Reference: Hashable, Sendable {
    package var color: Color
    package var shape: Shape

    package init(color: Color, shape: Shape) {
        self.color = color
        self.shape = shape
    }
}

/// The claim of one sentence.
package enum Fact: Hashable, Sendable {
    /// There is such an object. `nil` means that the sentence does not state the property.
    case object(shape: Shape, color: Color, size: Size?, place: Place?)
    case relation(Reference, Relation, Reference)

    package static func object(_ object: SceneObject) -> Fact {
        .object(shape: object.shape, color: object.color, size: object.size, place: object.place)
    }

    /// Whether the claim is true in the scene.
    package func holds(in scene: Scene) -> Bool { !witnesses(in: scene).isEmpty }

    /// The objects that make the claim true; empty if it is false.
    package func witnesses(in scene: Scene) -> [SceneObject] {
        switch self {
        case .object(let shape, let color, let size, let place):
            guard let object = scene.object(color, shape), size == nil || object.size == size,
                place == nil || object.place == place
            else { return [] }
            return [object]
        case .relation(let first, let relation, let second):
            guard let a = scene.object(first.color, first.shape), let b = scene.object(second.color, second.shape),
                relation.holds(a.place, b.place)
            else { return [] }
            return [a, b]
        }
    }

    /// The code of this fact in exported data: [0, shape, color, size, place] (−1 for a property that is not stated) or
    /// [1, relation, shape, color, shape, color].
    package var code: [Int] {
        switch self {
        case .object(let shape, let color, let size, let place):
            [0, shape.rawValue, color.rawValue, size?.rawValue ?? -1, place?.rawValue ?? -1]
        case .relation(let a, let relation, let b):
            [1, relation.rawValue, a.shape.rawValue, a.color.rawValue, b.shape.rawValue, b.color.rawValue]
        }
    }
}

extension Scene {
    /// Every relation between two of the scene's objects that holds.
    package var relations: [Fact] {
        var facts: [Fact] = []
        for a in objects {
            for b in objects where a != b {
                for relation in Relation.allCases where relation.holds(a.place, b.place) {
                    facts.append(.relation(a.reference, relation, b.reference))
                }
            }
        }
        return facts
    }
}

extension SceneObject {
    package var reference: Reference { Reference(color: color, shape: shape) }
}
