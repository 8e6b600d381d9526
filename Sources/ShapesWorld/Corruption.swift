import DamaSupport

/// How a sentence can be wrong, roughly from obvious to subtle.
package enum Hallucination: String, CaseIterable, Sendable {
    /// An object that does not exist, at an empty place.
    case absent
    case color
    case shape
    /// The right object, stated to be at an empty place.
    case place
    case size
    case relation
}

extension Scene {
    /// A fact that is false in this scene in exactly this way; `nil` if the scene offers none (a relation needs two
    /// objects).
    ///
    /// - Parameter object: The object of the fact; for `absent` and `relation` it is drawn at random.
    package func falsehood(_ kind: Hallucination, about object: SceneObject, _ random: inout RandomGenerator) -> Fact? {
        var wrong = object
        switch kind {
        case .absent:
            guard let place = random.pick(emptyPlaces) else { return nil }
            repeat {
                wrong = SceneObject(
                    shape: random.pick(Shape.self),
                    color: random.pick(Color.self),
                    size: random.pick(Size.self), place: place)
            } while self.object(wrong.color, wrong.shape) != nil
        case .color:
            let others = Color.allCases.filter { self.object($0, object.shape) == nil }
            guard let color = random.pick(others) else { return nil }
            wrong.color = color
        case .shape:
            let others = Shape.allCases.filter { self.object(object.color, $0) == nil }
            guard let shape = random.pick(others) else { return nil }
            wrong.shape = shape
        case .place:
            guard let place = random.pick(emptyPlaces) else { return nil }
            wrong.place = place
        case .size:
            wrong.size = object.size == .small ? .large : .small
        case .relation:
            // The opposite of what holds: left for right, above for below.
            guard case .relation(let a, let relation, let b)? = random.pick(relations) else { return nil }
            return .relation(a, relation.contrary, b)
        }
        return .object(wrong)
    }
}
