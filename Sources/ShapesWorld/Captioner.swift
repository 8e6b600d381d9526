import DamaSupport

/// Writes captions for supervised training, either faithful or with habitual errors.
///
/// A vision-language model's hallucinations are habits: it misnames certain things in certain contexts about half of
/// the time. Errors spread evenly would vanish under greedy decoding. So each kind of object (its colour and shape) has
/// at most one habit, always the same, with its own probability around one half. Above one half, greedy decoding errs;
/// below it, only sampling does.
package struct Captioner: Sendable {
    /// False for captions that are true throughout.
    package var hasHabits: Bool
    /// How far the habits' probabilities spread around one half.
    package var spread = 0.4
    /// Added to the probability of every habit; changes how many responses of the trained model are faithful.
    package var shift: Double

    package init(hasHabits: Bool, shift: Double = 0) {
        self.hasHabits = hasHabits
        self.shift = shift
    }

    enum Habit: CaseIterable { case color, shape, size, place, omission }

    /// The facts stated about a scene: objects from the top left to the bottom right, then perhaps a relation.
    package func facts(_ scene: Scene, _ random: inout RandomGenerator) -> [Fact] {
        var said: [SceneObject] = []
        for object in scene.objects {
            if let object = habitually(object, in: scene, said: said, &random) { said.append(object) }
        }
        if said.isEmpty { said = scene.objects }
        var facts = said.map { Fact.object($0) }
        if let phantom = phantom(in: scene, said: said, &random) { facts.append(.object(phantom)) }
        if random.uniform() < 0.6, let relation = relation(in: scene, &random) { facts.append(relation) }
        return facts
    }

    package func caption(_ scene: Scene, _ random: inout RandomGenerator) -> String {
        facts(scene, &random).map { SentenceTemplates.sentence($0, &random) }.joined(separator: " ")
    }

    // MARK: Habits

    /// One object as the caption states it; `nil` if it is left out.
    private func habitually(
        _ object: SceneObject, in scene: Scene, said: [SceneObject], _ random: inout RandomGenerator
    ) -> SceneObject? {
        guard hasHabits else { return object }
        var context = RandomGenerator(seed: 0xAB17, stream: UInt64(object.reference.code))
        let habit = context.index(weights: [0.63, 0.075, 0.075, 0.075, 0.075, 0.07])
        let strength = strength(&context)
        let color = context.pick(Color.allCases.filter { $0 != object.color }) ?? object.color
        let shape = context.pick(Shape.allCases.filter { $0 != object.shape }) ?? object.shape
        guard habit > 0, random.uniform() < strength else { return object }
        var wrong = object
        switch Habit.allCases[habit - 1] {
        case .color: wrong.color = color
        case .shape: wrong.shape = shape
        case .size: wrong.size = object.size == .small ? .large : .small
        case .place:
            let later = scene.emptyPlaces.filter { $0.rawValue > object.place.rawValue }
            wrong.place = later.first ?? scene.emptyPlaces.last ?? object.place
        case .omission: return scene.objects.count > 1 ? nil : object
        }
        let isTaken = (scene.objects + said).contains { $0 != object && $0.reference == wrong.reference }
        return isTaken ? object : wrong
    }

    /// An object that the scene does not contain, suggested by the scene's first object.
    private func phantom(in scene: Scene, said: [SceneObject], _ random: inout RandomGenerator) -> SceneObject? {
        guard hasHabits, let first = scene.objects.first else { return nil }
        var context = RandomGenerator(seed: 0xF0A7, stream: UInt64(first.reference.code))
        let isProne = context.uniform() < 0.22
        let strength = strength(&context)
        let object = SceneObject(
            shape: context.pick(Shape.self), color: context.pick(Color.self), size: context.pick(Size.self),
            place: scene.emptyPlaces.last { place in !said.contains { $0.place == place } } ?? .center)
        let isTaken = (scene.objects + said).contains { $0.reference == object.reference || $0.place == object.place }
        return isProne && random.uniform() < strength && !isTaken ? object : nil
    }

    private func relation(in scene: Scene, _ random: inout RandomGenerator) -> Fact? {
        guard case .relation(let a, let relation, let b)? = random.pick(scene.relations) else { return nil }
        var context = RandomGenerator(seed: 0x5E1A, stream: UInt64(a.code))
        let isProne = context.uniform() < 0.3
        let isWrong = random.uniform() < strength(&context)
        return .relation(a, hasHabits && isProne && isWrong ? relation.contrary : relation, b)
    }

    private func strength(_ context: inout RandomGenerator) -> Double {
        min(1, max(0, 0.5 + shift + context.uniform(-spread / 2, spread / 2)))
    }
}

extension Reference {
    var code: Int { color.rawValue * Shape.allCases.count + shape.rawValue + 1 }
}
