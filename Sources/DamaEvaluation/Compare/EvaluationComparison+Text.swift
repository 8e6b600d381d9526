import DamaSupport

extension EvaluationComparison {
    /// Tables for a terminal, with three digits behind the point.
    public var text: String {
        var lines = ["\(benchmark): \(caption)", ""]
        lines += Self.aligned([["", "", "value", interval, "difference", interval]] + metricFields)
        let remarks = testTexts + leftOutTexts + discrepancyTexts
        if !remarks.isEmpty { lines += [""] + remarks }
        return lines.joined(separator: "\n") + "\n"
    }

    private var metricFields: [[String]] {
        rows.flatMap { row in
            zip(row.values, row.differences).enumerated().map { index, estimates in
                let (value, difference) = estimates
                return [
                    index == 0 ? row.name : "", results[index].name, Self.number(value.value), Self.interval(value),
                ]
                    + (difference.map { [Self.signed($0.value), Self.interval($0, signed: true)] } ?? ["", ""])
            }
        }
    }

    /// Columns of equal width; texts are aligned on the left, which the first two are.
    private static func aligned(_ rows: [[String]]) -> [String] {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].unicodeScalars.count }.max() ?? 0
        }
        return rows.map { row in
            let fields = zip(row, widths).enumerated().map { column, field in
                let space = String(repeating: " ", count: field.1 - field.0.unicodeScalars.count)
                return column < 2 ? field.0 + space : space + field.0
            }
            let line = fields.joined(separator: "  ")
            return String(decoding: line.utf8.reversed().drop { $0 == 0x20 }.reversed(), as: UTF8.self)
        }
    }

    // MARK: Parts of text and page

    var interval: String { "\(Self.percent(confidence)) interval" }

    var caption: String {
        "\(questions) questions, \(Self.percent(confidence)) percentile intervals from \(resamples) resamples of the "
            + "questions (seed \(seed)); differences to \(results[0].name)"
    }

    var testTexts: [String] {
        tests.map { test in
            let (first, other) = (results[0].name, results[test.result].name)
            func share(_ count: Int) -> String { Self.percent(Double(count) / Double(max(1, questions)), digits: 1) }
            return "\(passName): \(first) \(share(test.both + test.onlyFirst)), \(other) "
                + "\(share(test.both + test.onlyOther)); only \(first) \(test.onlyFirst), only \(other) "
                + "\(test.onlyOther), McNemar's exact test p \(Self.pValue(test.pValue))"
        }
    }

    var leftOutTexts: [String] {
        results.filter { !$0.leftOut.isEmpty }.map { result in
            let more = result.leftOut.count > 3 ? ", …" : ""
            return "left out of \(result.name): \(result.leftOut.count) of \(result.answered) questions, which another "
                + "result does not have: \(result.leftOut.prefix(3).joined(separator: ", "))\(more)"
        }
    }

    var discrepancyTexts: [String] {
        discrepancies.map { "different \($0.setting): \($0.text(results.map(\.name)))" }
    }

    static func number(_ value: Double?) -> String {
        guard let value else { return "undefined" }
        let text = FixedPoint.text(value, digits: 3)
        return text == "-0.000" ? "0.000" : text
    }

    static func signed(_ value: Double?) -> String {
        let text = number(value)
        return value == nil || text.utf8.first == UInt8(ascii: "-") || text == "0.000" ? text : "+\(text)"
    }

    static func interval(_ estimate: Estimate, signed isSigned: Bool = false) -> String {
        guard let low = estimate.low, let high = estimate.high else { return "" }
        return isSigned ? "[\(signed(low)), \(signed(high))]" : "[\(number(low)), \(number(high))]"
    }

    static func pValue(_ value: Double) -> String {
        value < 0.0001 ? "< 0.0001" : "= \(FixedPoint.text(value, digits: 4))"
    }

    static func percent(_ share: Double, digits: Int = 0) -> String {
        "\(FixedPoint.text(100 * share, digits: digits)) %"
    }
}

extension EvaluationComparison.Discrepancy {
    /// The values beside the results' names.
    package func text(_ names: [String]) -> String {
        zip(names, values).map { "\($0) \($1)" }.joined(separator: ", ")
    }
}
