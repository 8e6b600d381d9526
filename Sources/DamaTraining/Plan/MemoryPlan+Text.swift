import DamaSupport

extension MemoryPlan {
    /// Bytes as messages give them: "19.5 GiB".
    static func text(_ bytes: Int) -> String {
        bytes < 100 << 20
            ? "\(FixedPoint.text(Double(bytes) / 0x1p20, digits: 1)) MiB"
            : "\(FixedPoint.text(Double(bytes) / 0x1p30, digits: 1)) GiB"
    }

    /// A table with a line for each part.
    public var text: String {
        let isHost = step.device == .cpu
        var lines = [
            "\(step.pairs) pairs of \(tokens) tokens, \(runs.count == 1 ? "1 run" : "\(runs.count) runs") of up to "
                + "\(runs.max() ?? 0) pairs; \(trainedCount) trained weights; \(precision.rawValue), activations: "
                + "\(step.activations.rawValue)\(step.offloads ? ", offload" : "")"
        ]
        func line(_ name: String, _ size: Size) {
            func cell(_ bytes: Int) -> String {
                let text = bytes == 0 ? "-" : Self.text(bytes)
                return String(repeating: " ", count: max(1, 14 - text.count)) + text
            }
            let padding = String(repeating: " ", count: max(1, 18 - name.count))
            lines.append("\(name)\(padding)\(isHost ? "" : cell(size.device))\(cell(size.host))")
        }
        let head = isHost ? "" : String(repeating: " ", count: 14 - step.device.description.count) + "\(step.device)"
        lines.append(String(repeating: " ", count: 18) + head + "          host")
        for part in Part.allCases where self[part] != Size() { line(part.rawValue, self[part]) }
        line("total", total)
        return lines.joined(separator: "\n")
    }

    /// The same as an object: bytes, under the names of the parts.
    package var json: JSON {
        func object(_ size: Size) -> JSON { ["device": .int(Int64(size.device)), "host": .int(Int64(size.host))] }
        let parts = Part.allCases.map { (key: $0.rawValue, value: object(self[$0])) }
        return [
            "device": .string(step.device.description), "precision": .string(precision.rawValue),
            "activations": .string(step.activations.rawValue), "offload": .bool(step.offloads),
            "pairs": .int(Int64(step.pairs)), "tokens_of_pair": .int(Int64(tokens)),
            "pairs_of_runs": .array(runs.map { .int(Int64($0)) }), "trained": .int(Int64(trainedCount)),
            "parts": .object(JSONObject(parts)), "total": object(total),
        ]
    }
}
