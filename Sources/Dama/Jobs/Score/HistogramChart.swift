import DamaSupport

/// A histogram as SVG. Bins may have different widths: the area of a bar is its count.
struct HistogramChart {
    struct Bin: Equatable {
        var low: Double
        var high: Double
        var count: Int
        var isMarked = false
    }

    /// What the axis shows, as text.
    var name: String
    var bins: [Bin]
    /// Vertical lines with a text each.
    var lines: [(value: Double, text: String)] = []
    /// The most digits behind the point on the axis and in the bars' texts.
    var digits = 2

    private static let (width, height, left, right, top, bottom) = (720.0, 230.0, 24.0, 24.0, 34.0, 40.0)

    var svg: String {
        guard let first = bins.first, let last = bins.last, last.high > first.low else { return "" }
        let densities = bins.map { $0.high > $0.low ? Double($0.count) / ($0.high - $0.low) : 0 }
        let largest = densities.max() ?? 0
        let scale = (Self.width - Self.left - Self.right) / (last.high - first.low)
        func x(_ value: Double) -> Double { Self.left + (value - first.low) * scale }
        let floor = Self.height - Self.bottom
        var parts: [String] = []
        for (bin, density) in zip(bins, densities) where bin.count > 0 && largest > 0 {
            // A bin of few pairs among many stays visible.
            let height = max(1, density / largest * (floor - Self.top))
            parts.append(
                """
                <rect class="\(bin.isMarked ? "marked" : "bar")" x="\(Self.text(x(bin.low) + 0.5))" \
                y="\(Self.text(floor - height))" width="\(Self.text(max(1, x(bin.high) - x(bin.low) - 1)))" \
                height="\(Self.text(height))">\
                <title>\(number(bin.low)) to \(number(bin.high)): \(bin.count)</title></rect>
                """)
        }
        parts.append(
            """
            <line class="axis" x1="\(Self.text(Self.left))" x2="\(Self.text(Self.width - Self.right))" \
            y1="\(Self.text(floor))" y2="\(Self.text(floor))"/>
            """)
        for step in 0...4 {
            let value = first.low + (last.high - first.low) * Double(step) / 4
            parts.append(label(number(value), x(value), floor + 17))
        }
        parts.append(label(name, Self.width / 2, Self.height - 5))
        for (index, line) in lines.enumerated() where line.value >= first.low && line.value <= last.high {
            // Texts of neighbouring lines are in different rows.
            let row = 12 + 13 * Double(index % 2)
            parts.append(
                """
                <line class="mark" x1="\(Self.text(x(line.value)))" x2="\(Self.text(x(line.value)))" \
                y1="\(Self.text(row + 3))" y2="\(Self.text(floor))"/>
                """)
            parts.append(label(line.text, x(line.value), row))
        }
        return """
            <svg viewBox="0 0 720 230" width="100%" role="img" \
            aria-label="\(HTMLPage.escaped("distribution of \(name)"))">\
            \(parts.joined())</svg>
            """
    }

    private func label(_ text: String, _ x: Double, _ y: Double) -> String {
        // Texts at the ends stay inside the picture.
        let anchor = x < 60 ? "start" : x > Self.width - 60 ? "end" : "middle"
        return """
            <text x="\(Self.text(x))" y="\(Self.text(y))" text-anchor="\(anchor)">\(HTMLPage.escaped(text))</text>
            """
    }

    private func number(_ value: Double) -> String { ScorePage.number(value, digits: digits) }

    private static func text(_ value: Double) -> String { FixedPoint.text(value, digits: 1) }

    static let style = """
        svg text{font:12px system-ui,"Segoe UI",Inter,Roboto,"DejaVu Sans",sans-serif;fill:#5d6673}\
        .bar{fill:#1f6fb2}.marked{fill:#c2563f}.axis{stroke:#9aa3ad}.mark{stroke:#1d2129;stroke-dasharray:3 3}
        """
}
