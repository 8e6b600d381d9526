import DamaSupport

/// Compares the hardness δ of pairs with the hallucinations planted in them.
package struct HardnessReport: Sendable {
    package struct Row: Equatable, Sendable {
        package var kind: String
        package var amount: Int
        package var delta: Double
        package var shareDifference: Double
    }

    package private(set) var rows: [Row] = []

    package init(rows: [Row]) { self.rows = rows }

    /// Joins the output of `dama score` with the truth file of the pairs, by the pairs' id.
    ///
    /// - Throws: ``DamaError`` if a line of `truth` lacks a field. Pairs without a score are left out.
    package init(scores: [JSON], truth: [JSON]) throws(DamaError) {
        var deltas: [String: Double] = [:]
        for score in scores {
            if let id = score["id"] ?? score["idx"], let delta = score["delta"]?.double {
                deltas[SceneTable.key(id)] = delta
            }
        }
        for line in truth {
            guard let id = line["idx"], let kind = line["kind"]?.string, let amount = line["amount"]?.int,
                let difference = line["share_difference"]?.double
            else { throw .model("a line of truth needs idx, kind, amount and share_difference, found \(line.text)") }
            guard let delta = deltas[SceneTable.key(id)] else { continue }
            rows.append(Row(kind: kind, amount: amount, delta: delta, shareDifference: difference))
        }
    }

    /// Spearman's ρ of δ against the difference of the false shares.
    package var rho: Double? { RankCorrelation.spearman(rows.map(\.delta), rows.map(\.shareDifference)) }

    package static let mostAmounts = 4

    /// Mean δ and number of pairs by kind, then by amount (1, 2, 3, and 4 or more).
    package func cells(kind: String) -> [(mean: Double, count: Int)?] {
        (1...Self.mostAmounts).map { amount in
            let deltas = rows.filter { $0.kind == kind && min($0.amount, Self.mostAmounts) == amount }.map(\.delta)
            return deltas.isEmpty ? nil : (deltas.reduce(0, +) / Double(deltas.count), deltas.count)
        }
    }

    /// The table that the demo prints.
    package var text: String {
        var lines = ["mean δ (number of pairs) by kind and number of false sentences in the rejected response"]
        lines.append("kind".padded(10) + ["1", "2", "3", "4+"].map { $0.padded(15, left: true) }.joined())
        for kind in Hallucination.allCases.map(\.rawValue) + ["mixed"] {
            let shown = cells(kind: kind).map { cell in
                cell.map { "\($0.mean.fixed(3)) (\($0.count))" } ?? "–"
            }
            lines.append(kind.padded(10) + shown.map { $0.padded(15, left: true) }.joined())
        }
        let rho = rho.map { $0.fixed(3) } ?? "undefined"
        lines.append("Spearman's ρ of δ against the difference of the false shares: \(rho) over \(rows.count) pairs")
        return lines.joined(separator: "\n")
    }
}

extension String {
    package func padded(_ width: Int, left: Bool = false) -> String {
        let space = String(repeating: " ", count: max(0, width - count))
        return left ? space + self : self + space
    }
}

extension Double {
    /// With a fixed number of digits after the point.
    package func fixed(_ digits: Int) -> String {
        var power = 1.0
        for _ in 0..<digits { power *= 10 }
        let scaled = Int((magnitude * power).rounded())
        let whole = "\(scaled / Int(power))"
        let sign = self < 0 && scaled > 0 ? "-" : ""
        guard digits > 0 else { return sign + whole }
        let fraction = "\(scaled % Int(power))"
        return sign + whole + "." + String(repeating: "0", count: digits - fraction.count) + fraction
    }
}
