/// The properties of an object. The raw values are the codes in exported data; new cases must be added at the end.
public enum Shape: Int, CaseIterable, Sendable {
    case circle, square, triangle, star, cross, ring

    public var word: String { "\(self)" }
}

public enum Color: Int, CaseIterable, Sendable {
    case red, green, blue, yellow, purple, orange, white, black

    public var word: String { "\(self)" }
}

public enum Size: Int, CaseIterable, Sendable {
    case small, large

    public var word: String { "\(self)" }
}

/// A cell of the 3 × 3 grid, row by row from the top left.
public enum Place: Int, CaseIterable, Sendable {
    case topLeft, topMiddle, topRight
    case middleLeft, center, middleRight
    case bottomLeft, bottomMiddle, bottomRight

    public var row: Int { rawValue / 3 }
    public var column: Int { rawValue % 3 }

    public var words: String {
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

public struct SceneObject: Hashable, Sendable {
    public var shape: Shape
    public var color: Color
    public var size: Size
    public var place: Place

    public init(shape: Shape, color: Color, size: Size, place: Place) {
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
public struct Scene: Hashable, Sendable {
    /// Ordered by place.
    public let objects: [SceneObject]
    /// The seed of the rendered background, jitter and noise. Not part of the layout.
    public let renderSeed: UInt64

    public init(objects: [SceneObject], renderSeed: UInt64 = 0) {
        self.objects = objects.sorted { $0.place.rawValue < $1.place.rawValue }
        self.renderSeed = renderSeed
    }

    public func object(at place: Place) -> SceneObject? { objects.first { $0.place == place } }

    public func object(_ color: Color, _ shape: Shape) -> SceneObject? {
        objects.first { $0.color == color && $0.shape == shape }
    }

    public var emptyPlaces: [Place] { Place.allCases.filter { object(at: $0) == nil } }

    /// The split that this layout belongs to. It depends on the objects alone, so no two splits share a layout.
    public var split: Split {
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
public enum Split: String, CaseIterable, Sendable {
    /// For the supervised training of the models.
    case train
    /// For preference pairs.
    case preference
    /// For choosing settings.
    case validation
    /// For reported results.
    case test
}
