import DamaSupport

extension EvaluationComparison {
    /// Everything as JSON text, which `scripts/report` and the other languages read.
    public var jsonText: String { json.text }

    package var json: JSON {
        [
            "benchmark": .string(benchmark), "questions": .int(Int64(questions)), "pass_name": .string(passName),
            "confidence": .double(confidence), "resamples": .int(Int64(resamples)),
            // As text above the largest signed number.
            "seed": Int64(exactly: seed).map { .int($0) } ?? .string(String(seed)),
            "discrepancies": .array(
                discrepancies.map { ["setting": .string($0.setting), "values": .array($0.values.map { .string($0) })] }),
            "results": .array(results.map(Self.json)), "metrics": .array(rows.map(Self.json)),
            "mcnemar": .array(tests.map(json)),
        ]
    }

    private static func json(_ result: Result) -> JSON {
        [
            "name": .string(result.name), "runs": .int(Int64(result.runs)), "answered": .int(Int64(result.answered)),
            "left_out": .int(Int64(result.leftOut.count)),
            "left_out_ids": .array(result.leftOut.prefix(10).map { .string($0) }),
        ]
    }

    private static func json(_ row: Row) -> JSON {
        [
            "name": .string(row.name), "values": .array(row.values.map(json)),
            "differences": .array(row.differences.map { $0.map(json) ?? .null }),
        ]
    }

    private static func json(_ estimate: Estimate) -> JSON {
        func number(_ value: Double?) -> JSON { value.map { .double($0) } ?? .null }
        return [
            "value": number(estimate.value), "low": number(estimate.low), "high": number(estimate.high),
            "undefined": .int(Int64(estimate.undefined)),
        ]
    }

    private func json(_ test: Test) -> JSON {
        [
            "result": .string(results[test.result].name), "both": .int(Int64(test.both)),
            "only_first": .int(Int64(test.onlyFirst)), "only_other": .int(Int64(test.onlyOther)),
            "neither": .int(Int64(test.neither)), "p": .double(test.pValue),
        ]
    }

    /// A line for each metric of each result, then one for each McNemar test; RFC 4180, with a header.
    public var csv: String {
        var lines = ["metric,result,value,low,high,difference,difference_low,difference_high,only_first,only_other,p"]
        func number(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
        for row in rows {
            for (index, value) in row.values.enumerated() {
                let difference = row.differences[index]
                let numbers = [
                    value.value, value.low, value.high, difference?.value, difference?.low, difference?.high,
                ]
                let fields = [row.name, results[index].name].map(Self.csvField) + numbers.map(number)
                lines.append((fields + ["", "", ""]).joined(separator: ","))
            }
        }
        for test in tests {
            let share = questions == 0 ? 0 : Double(test.both + test.onlyOther) / Double(questions)
            let change = questions == 0 ? 0 : Double(test.onlyOther - test.onlyFirst) / Double(questions)
            let fields = [
                Self.csvField(passName), Self.csvField(results[test.result].name), number(share), "", "",
                number(change), "",
                "", "\(test.onlyFirst)", "\(test.onlyOther)", number(test.pValue),
            ]
            lines.append(fields.joined(separator: ","))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func csvField(_ text: String) -> String {
        guard text.utf8.contains(where: { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }) else { return text }
        let quoted = text.utf8.flatMap { $0 == 0x22 ? [$0, $0] : [$0] }
        return "\"\(String(decoding: quoted, as: UTF8.self))\""
    }
}
