import DamaPreference
import DamaSupport

/// The page on a scoring job's results: the distributions of δ and α_D, and what pairs with δ below 0 say about the
/// labels. It needs the summary alone, so it is as fast for any number of rows.
struct ScorePage {
    static let writer = "dama score"

    let summary: ScoreSummary
    /// The name of the dataset's file.
    let data: String
    let deltaSource: ScoreOptions.DeltaSource

    init(_ summary: ScoreSummary, _ options: ScoreOptions) {
        self.summary = summary
        data = options.data.utf8.split(separator: UInt8(ascii: "/")).last.map { String($0) ?? "" } ?? ""
        deltaSource = options.deltaSource
    }

    var text: String {
        var lead = "\(summary.rowsScored) of \(summary.rows) pairs scored"
        if summary.rowsRejected > 0 { lead += ", \(summary.rowsRejected) rejected" }
        return HTMLPage.text(
            title: "Hardness of \(data)", lead: "\(lead). Mean δ \(Self.number(summary.meanDelta)).",
            body: [delta, labels, alpha, thirds, counts].joined(), writer: Self.writer,
            style: HistogramChart.style + Self.style)
    }

    // MARK: δ

    /// Whether 0 divides the pairs into those whose chosen, and those whose rejected response fits the image better.
    var hasSign: Bool { deltaSource == .probabilities }

    private var delta: String {
        let meaning =
            hasSign
            ? """
            <p>δ is 1 if all of the model's belief is in the chosen response's sub-sentences, and −1 if it is in those \
            of the rejected one, Eqs. (5) and (6). The smaller δ, the harder the pair is to tell apart by its image.</p>
            """
            : """
            <p>δ is the ratio of the summed scores, the ablation of the paper's Table 2.</p>
            """
        var chart = HistogramChart(name: "δ", bins: bins)
        chart.lines = hasSign ? [(0, "0")] : []
        chart.lines.append((summary.meanDelta, "mean \(Self.number(summary.meanDelta, digits: 2))"))
        return "<h2>How hard are the pairs?</h2>\(chart.svg)\(meaning)"
    }

    private var bins: [HistogramChart.Bin] {
        let (low, high) = (summary.histogramRange.lowerBound, summary.histogramRange.upperBound)
        let count = Double(summary.histogram.count)
        return summary.histogram.enumerated().map { index, rows in
            let edges = [index, index + 1].map { (low * (count - Double($0)) + high * Double($0)) / count }
            return HistogramChart.Bin(low: edges[0], high: edges[1], count: rows, isMarked: hasSign && edges[1] <= 0)
        }
    }

    // MARK: α_D

    private var alpha: String {
        let mean = summary.meanDeltaUsed
        func alpha(_ delta: Double) -> Double { Hardness.alphaData(delta: delta, meanDelta: mean) }
        // α_D increases with δ, so the bins of δ are bins of α_D too.
        let bins = bins.map {
            HistogramChart.Bin(low: alpha($0.low), high: alpha($0.high), count: $0.count, isMarked: $0.isMarked)
        }
        let chart = HistogramChart(name: "α_D", bins: bins, lines: [(1, "1")])
        let levels =
            [("smallest", summary.smallestDelta)]
            + zip(ScoreSummary.quantileLevels, summary.quantiles).map { level, value in
                ("\(Self.number(100 * level, digits: 0)) %", value)
            } + [("largest", summary.largestDelta)]
        let rows = levels.map { name, delta in
            [
                name, Self.number(delta), Self.number(alpha(delta)), Self.number(0.1 * alpha(delta), digits: 4),
                Self.number(0.5 * alpha(delta), digits: 4),
            ]
        }
        return """
            <h2>What training makes of it</h2>\(chart.svg)\
            <p>α_D = σ(δ) / σ(δ̄), Eq. (7), with δ̄ = \(Self.number(mean)). \
            Each pair is trained with β_D = β · α_D, Eq. (8).</p>
            """
                + HTMLPage.table(["share of the pairs below", "δ", "α_D", "β_D at β = 0.1", "β_D at β = 0.5"], rows)
    }

    // MARK: Thirds and counts

    private var thirds: String {
        guard summary.thirds.count == 2 else { return "" }
        let (first, second) = (summary.thirds[0], summary.thirds[1])
        func alpha(_ delta: Double) -> String {
            Self.number(Hardness.alphaData(delta: delta, meanDelta: summary.meanDeltaUsed))
        }
        let edges = [("hard", summary.smallestDelta, first), ("middle", first, second)]
        let rows = (edges + [("easy", second, summary.largestDelta)]).enumerated().map { index, third in
            // Row p in the order by δ is in the third 3p / count.
            let ends = [index, index + 1].map { (summary.rowsScored * $0 + 2) / 3 }
            return [
                third.0, "\(ends[1] - ends[0])", "\(Self.number(third.1)) to \(Self.number(third.2))",
                "\(alpha(third.1)) to \(alpha(third.2))",
            ]
        }
        return "<h2>Thirds</h2>" + HTMLPage.table(["third", "pairs", "δ", "α_D"], rows)
            + "<p>The metrics of training show the reward gap of each third.</p>"
    }

    private var counts: String {
        func perPair(_ count: Int) -> String {
            Self.number(summary.rowsScored > 0 ? Double(count) / Double(summary.rowsScored) : 0, digits: 2)
        }
        var rows = [
            ["pairs", "\(summary.rows)"], ["scored", "\(summary.rowsScored)"], ["rejected", "\(summary.rowsRejected)"],
        ]
        rows += summary.rejectedByKind.sorted { $0.key < $1.key }.map { ["rejected: \($0.key)", "\($0.value)"] }
        rows += [
            ["sub-sentences of a chosen response, mean", perPair(summary.chosenSubSentences)],
            ["sub-sentences of a rejected response, mean", perPair(summary.rejectedSubSentences)],
        ]
        rows += summary.flags.sorted { $0.key < $1.key }.map { ["flag \($0.key)", "\($0.value)"] }
        return "<h2>Counts</h2>" + HTMLPage.table(["", "number"], rows)
    }

    // MARK: Numbers

    /// With a minus sign, and without one before zeros.
    static func number(_ value: Double, digits: Int = 3) -> String {
        let text = FixedPoint.text(value.magnitude, digits: digits)
        let isZero = text.utf8.allSatisfy { $0 == UInt8(ascii: "0") || $0 == UInt8(ascii: ".") }
        return value < 0 && !isZero ? "−\(text)" : text
    }

    private static let style = """
        td:first-child,th:first-child{text-align:left}.share{font-size:19px}
        """
}
