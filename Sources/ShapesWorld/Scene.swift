/// The properties of an object. The raw values are the codes in exported data; new cases must be added at the end.
package enum Shape: Int, CaseIterable, Sendable {
    case circle, square, triangle, star, cross, ring

    package var word: String { "\(self)" }
}

package enum Color: Int, CaseIterable, Sendable {
    case red, green, blue, yellow, purple, orange, white, black

    package var word: String { "\(self)" }
}

package enum Size: Int, CaseIterable, Sendable {
    case small, large

    package var word: String { "\(self)" }
}

/// A cell of the 3 × 3 grid, row by row from the top left.
package enum Place: Int, CaseIterable, Sendable {
    case topLeft, topMiddle, topRight
    case middleLeft, center, middleRight
    case bottomLeft, bottomMiddle, bottomRight

    package var row: Int { rawValue / 3 }
    package var column: Int { rawValue % 3 }

    package var words: String {
        switch self {
        case .topLeft: "top left"
        case .topMiddle: "top middle"
        case .topRight: "top right"
        case .middleLeft: "middle left"
        case .center: "centre"
        case .middleRight: "middle right"
        case .bottomLeft: "bottom left"
        case .bottomMiddle: "bottom middle"
        case .bottomRight: "bottom right"
        }
    }
}

package struct SceneObject: Hashable, Sendable {
    package var shape: Shape
    package var color: Color
    package var size: Size
    package var place: Place

    package init(shape: Shape, color: Color, size: Size, place: Place) {
        self.shape = shape
        self.color = color
        self.size = size
        self.place = place
    }

    /// A distinct number for each of the 864 possible objects.
    var code: Int {
        let look = (shape.rawValue * Color.allCases.count + color.rawValue) * 2 + size.rawValue
        return place.rawValue * Shape.allCases.count * Color.allCases.count * 2 + look
    }
}

/// One to five objects, each in its own cell, no two with the same colour and shape: "the red circle" names one object.
package struct Scene: Hashable, Sendable {
    /// Ordered by place.
    package let objects: [SceneObject]
    /// The seed of the rendered background, jitter and noise. Not part of the layout.
    package let renderSeed: UInt64

    package init(objects: [SceneObject], renderSeed: UInt64 = 0) {
        self.objects = objects.sorted { $0.place.rawValue < $1.place.rawValue }
        self.renderSeed = renderSeed
    }

    package func object(at place: Place) -> SceneObject? { objects.first { $0.place == place } }

    package func object(_ color: Color, _ shape: Shape) -> SceneObject? {
        objects.first { $0.color == color && $0.shape == shape }
    }

    package var emptyPlaces: [Place] { Place.allCases.filter { object(at: $0) == nil } }

    /// The split that this layout belongs to. It depends on the objects alone, so no two splits share a layout.
    package var split: Split {
        // FNV-1a over the objects' codes, two bytes each.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for object in objects {
            for byte in [object.code & 0xFF, object.code >> 8] {
                hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
            }
        }
        hash = (hash ^ (hash >> 32)) &* 0x9E37_79B9_7F4A_7C15
        switch (hash >> 33) % 100 {
        case ..<70: return .train
        case ..<80: return .preference
        case ..<90: return .validation
        default: return .test
        }
    }
}

/// Parts of the world that share no layout.
package enum Split: String, CaseIterable, Sendable {
    /// For the supervised training of the models.
    case train
    /// For preference pairs.
    case preference
    /// For choosing settings.
    case validation
    /// For reported results.
    case test
}
