import DamaSupport
import DamaWords

/// The grade in a judge's answer, as `mm-vet_evaluator.py` of MM-Vet acde843 finds it: the text before the first blank
/// must be a number from 0 to 1 for Python's `float()`. An answer that begins with a blank has none.
enum MMVetGrade {
    /// The number, and its text; `nil` if the answer has none. NaN, with which the script would go on, is none.
    static func parse(_ answer: String) -> (grade: Double, text: String)? {
        let first = answer.utf8.prefix { $0 != UInt8(ascii: " ") }
        let text = String(Substring(first)).pythonStripped
        guard let grade = PythonFloat.parse(text), grade >= 0, grade <= 1 else { return nil }
        return (grade, text)
    }

    /// The temperature of each attempt. After the first, a reminder is added to the request. The official script asks a
    /// sixth time and does not read that answer.
    static let temperatures = [0.0, 0, 0.5, 1, 1.5]
}

/// Means of grades by capability and by set of capabilities.
enum MMVetSummary {
    /// The name of the metric of a set of capabilities, which the official script calls in no fixed order.
    static func set(_ capabilities: [String]) -> String { capabilities.sorted().joined(separator: "_") }

    /// What a grade adds.
    static func counts(_ grade: Double, _ capabilities: [String]) -> Counts {
        var counts: Counts = ["answers": 1, "score": grade]
        for name in capabilities.map({ "capability_\($0)" }) + ["set_\(set(capabilities))"] {
            counts["\(name)_answers"] = 1
            counts["\(name)_score"] = grade
        }
        return counts
    }

    /// - Parameters:
    ///   - capabilities: In the order in which they are printed.
    ///   - sets: Likewise, by ``set(_:)``.
    static func metrics(_ counts: Counts, _ capabilities: [String], sets: [String]) -> [Metric] {
        func mean(_ name: String, _ group: String) -> Metric {
            let count = counts["\(group)answers"]
            // The script's order of operations.
            let value = count == 0 ? nil : counts["\(group)score"] / count * 100
            return Metric(
                name, value, official: value.map { NumpyNumber.rounded($0, digits: 1).description }, meanDigits: 1)
        }
        return [mean("total", "")] + capabilities.map { mean($0, "capability_\($0)_") }
            + sets.map { mean("set_\($0)", "set_\($0)_") }
    }
}
