import Glibc

/// The area of a shape, in coordinates in which it roughly fills the unit circle and y points down.
enum ShapeOutline {
    static func contains(_ shape: Shape, _ x: Double, _ y: Double) -> Bool {
        switch shape {
        case .circle: x * x + y * y <= 0.95
        case .square: abs(x) <= 0.85 && abs(y) <= 0.85
        case .triangle: inside(triangle, x, y)
        case .star: inside(star, x, y)
        case .cross: (abs(x) <= 0.32 && abs(y) <= 1) || (abs(y) <= 0.32 && abs(x) <= 1)
        case .ring: x * x + y * y <= 1 && x * x + y * y >= 0.3
        }
    }

    private static let triangle: [(x: Double, y: Double)] = [(0, -1), (1, 0.8), (-1, 0.8)]

    private static let star: [(x: Double, y: Double)] = (0..<10).map { corner in
        let radius = corner % 2 == 0 ? 1.1 : 0.45
        let angle = Double(corner) * .pi / 5
        return (radius * sin(angle), -radius * cos(angle))
    }

    /// Decides by the number of edges that a ray to the right crosses.
    private static func inside(_ corners: [(x: Double, y: Double)], _ x: Double, _ y: Double) -> Bool {
        var result = false
        var previous = corners[corners.count - 1]
        for corner in corners {
            if (corner.y > y) != (previous.y > y),
                x < (previous.x - corner.x) * (y - corner.y) / (previous.y - corner.y) + corner.x
            {
                result.toggle()
            }
            previous = corner
        }
        return result
    }
}
