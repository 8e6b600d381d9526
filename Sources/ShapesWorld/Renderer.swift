import DamaImage
import DamaSupport
import Glibc

/// Draws scenes: a textured background, antialiased shapes, mild noise.
package struct Renderer: Sendable {
    /// Pixels along each side.
    package let side: Int

    /// - Throws: ``DamaError/Code/invalidArgument`` for a side that is too small to distinguish shapes, or too large.
    package init(side: Int = 96) throws(DamaError) {
        guard (32...2048).contains(side) else {
            throw .invalidArgument("a side of \(side) pixels; expected 32 to 2048")
        }
        self.side = side
    }

    /// The same scene gives the same pixels, on every run.
    package func render(_ scene: Scene) throws(DamaError) -> RGBImage {
        var random = RandomGenerator(seed: scene.renderSeed)
        var canvas = background(&random)
        for object in scene.objects { draw(object, on: &canvas, &random) }
        var pixels = [UInt8](repeating: 0, count: canvas.count)
        for index in canvas.indices {
            // A sum of uniform numbers is near enough to a normal one; standard deviation 3 grey levels.
            let bits = random.next()
            let noise = Double(bits & 0xFFFF) + Double((bits >> 16) & 0xFFFF) + Double((bits >> 32) & 0xFFFF)
            let value = canvas[index] + 3 * 2 * (noise / 65536 - 1.5)
            pixels[index] = UInt8(max(0, min(255, value.rounded())))
        }
        return try RGBImage(width: side, height: side, pixels: pixels)
    }

    /// Grey with a tint, a slope and two waves.
    private func background(_ random: inout RandomGenerator) -> [Double] {
        let grey = random.uniform(105, 150)
        let tint = (0..<3).map { _ in grey + random.uniform(-12, 12) }
        let slope = (random.uniform(-14, 14), random.uniform(-14, 14))
        let waves = (0..<2).map { _ in
            (
                x: random.uniform(-9, 9) * 2 * .pi, y: random.uniform(-9, 9) * 2 * .pi,
                phase: random.uniform(0, 2 * .pi), height: random.uniform(2, 8)
            )
        }
        var canvas = [Double](repeating: 0, count: side * side * 3)
        for row in 0..<side {
            let y = (Double(row) + 0.5) / Double(side)
            for column in 0..<side {
                let x = (Double(column) + 0.5) / Double(side)
                var value = slope.0 * (x - 0.5) + slope.1 * (y - 0.5)
                for wave in waves { value += wave.height * sin(wave.x * x + wave.y * y + wave.phase) }
                let start = (row * side + column) * 3
                for channel in 0..<3 { canvas[start + channel] = tint[channel] + value }
            }
        }
        return canvas
    }

    private func draw(_ object: SceneObject, on canvas: inout [Double], _ random: inout RandomGenerator) {
        let cell = Double(side) / 3
        let radius = cell * (object.size == .large ? random.uniform(0.385, 0.425) : random.uniform(0.225, 0.255))
        let jitter = cell * 0.055
        let centerX = (Double(object.place.column) + 0.5) * cell + random.uniform(-jitter, jitter)
        let centerY = (Double(object.place.row) + 0.5) * cell + random.uniform(-jitter, jitter)
        let color = Self.rgb(object.color).map { $0 + random.uniform(-14, 14) }
        let samples = 4
        let reach = radius * 1.15
        let rows = max(0, Int(centerY - reach))...min(side - 1, Int(centerY + reach) + 1)
        let columns = max(0, Int(centerX - reach))...min(side - 1, Int(centerX + reach) + 1)
        for row in rows {
            for column in columns {
                var hits = 0
                for sample in 0..<(samples * samples) {
                    let x = Double(column) + (Double(sample % samples) + 0.5) / Double(samples)
                    let y = Double(row) + (Double(sample / samples) + 0.5) / Double(samples)
                    if ShapeOutline.contains(object.shape, (x - centerX) / radius, (y - centerY) / radius) { hits += 1 }
                }
                guard hits > 0 else { continue }
                let cover = Double(hits) / Double(samples * samples)
                let start = (row * side + column) * 3
                for channel in 0..<3 {
                    canvas[start + channel] += cover * (color[channel] - canvas[start + channel])
                }
            }
        }
    }

    private static func rgb(_ color: Color) -> [Double] {
        switch color {
        case .red: [205, 40, 40]
        case .green: [40, 150, 55]
        case .blue: [40, 75, 205]
        case .yellow: [235, 215, 45]
        case .purple: [140, 45, 170]
        case .orange: [240, 130, 25]
        case .white: [240, 240, 240]
        case .black: [20, 20, 20]
        }
    }
}
