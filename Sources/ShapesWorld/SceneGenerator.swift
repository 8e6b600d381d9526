import DamaSupport

/// Scenes of one split from a seed. Scene `index` depends on seed, split and index alone.
package struct SceneGenerator: Sendable {
    package let seed: UInt64
    package let split: Split
    /// The relative frequencies of scenes with 1, 2, … 5 objects.
    package var countWeights: [Double] = [1, 2, 3, 3, 2]

    package init(seed: UInt64, split: Split) {
        self.seed = seed
        self.split = split
    }

    package func scene(_ index: Int) -> Scene {
        var random = RandomGenerator(seed: seed, stream: UInt64(index))
        while true {
            let scene = draw(&random)
            if scene.split == split { return scene }
        }
    }

    private func draw(_ random: inout RandomGenerator) -> Scene {
        let count = random.index(weights: countWeights) + 1
        let places = random.shuffled(Place.allCases).prefix(count)
        var objects: [SceneObject] = []
        for place in places {
            var object: SceneObject
            repeat {
                object = SceneObject(
                    shape: random.pick(Shape.self),
                    color: random.pick(Color.self),
                    size: random.pick(Size.self),
                    place: place)
            } while objects.contains { $0.color == object.color && $0.shape == object.shape }
            objects.append(object)
        }
        return Scene(objects: objects, renderSeed: random.next())
    }
}
