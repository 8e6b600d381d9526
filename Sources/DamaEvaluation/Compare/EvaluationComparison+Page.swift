import DamaSupport

extension EvaluationComparison {
    /// One self-contained HTML page: the metrics with their intervals, and bars of the differences.
    public var page: String {
        HTMLPage.text(
            title: benchmark, lead: "\(caption).", body: section, writer: "dama evaluate compare", style: Self.style)
    }

    /// The tables alone.
    private var section: String {
        let heads = ["", "", "value", interval, "difference", interval, ""].map { "<th>\($0)</th>" }.joined()
        let remarks = (testTexts + leftOutTexts + discrepancyTexts).map { "<p>\(HTMLPage.escaped($0)).</p>" }.joined()
        return "<table><thead><tr>\(heads)</tr></thead><tbody>\(rows.map(lines).joined())</tbody></table>\(remarks)"
    }

    private func lines(_ row: Row) -> String {
        let ends = row.differences.flatMap { [$0?.value, $0?.low, $0?.high] }.compactMap { $0 }
        let largest = ends.map(\.magnitude).max() ?? 0
        return zip(row.values, row.differences).enumerated().map { index, estimates in
            let (value, difference) = estimates
            var cells = [
                index == 0 ? row.name : "", results[index].name, Self.number(value.value), Self.interval(value),
            ]
            cells += difference.map { [Self.signed($0.value), Self.interval($0, signed: true)] } ?? ["", ""]
            let html = cells.map { "<td>\(HTMLPage.escaped($0))</td>" }.joined()
            let bar = difference.map { Self.bar($0, largest: largest) } ?? ""
            return "<tr\(index == 0 ? " class=\"first\"" : "")>\(html)<td>\(bar)</td></tr>"
        }.joined()
    }

    /// A difference and its interval beside the line of 0.
    ///
    /// - Parameter largest: the number at the ends of the scale.
    private static func bar(_ difference: Estimate, largest: Double) -> String {
        guard let value = difference.value, let low = difference.low, let high = difference.high, largest > 0 else {
            return ""
        }
        func x(_ number: Double) -> String { FixedPoint.text(100 + 92 * number / largest, digits: 1) }
        let kind = low > 0 || high < 0 ? "apart" : "open"
        return """
            <svg viewBox="0 0 200 16" width="200" height="16" role="img" aria-label="\(signed(value))">\
            <line class="zero" x1="100" x2="100" y1="0" y2="16"/>\
            <line class="\(kind)" x1="\(x(low))" x2="\(x(high))" y1="8" y2="8"/>\
            <circle class="\(kind)" cx="\(x(value))" cy="8" r="3.5"/></svg>
            """
    }

    private static let style = """
        th:nth-child(-n+2),td:nth-child(-n+2){text-align:left}\
        tr.first td{border-top:1px solid var(--line)}\
        .zero{stroke:#9aa3ad}.apart{stroke:#1f6fb2;stroke-width:2;fill:#1f6fb2}.open{stroke:#8a93a0;stroke-width:2;fill:#8a93a0}
        """
}
