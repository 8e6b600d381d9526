import DamaSupport
import DamaWords

/// A judge's list of objects.
///
/// Source: `parse_object_list` of `eval/eval_gpt_obj_halbench.py` of RLAIF-V 83d917b.
enum ExtractedList {
    /// The entries of the JSON that a judge's answer is, or that its last line is if `["` occurs in it; `nil` if neither
    /// is JSON with entries.
    ///
    /// As in Python, the entries of an object are its keys, and those of a string its characters.
    static func parse(_ text: String) -> [String]? {
        if let whole = entries(text[...]) { return whole }
        let bytes = Array(text.utf8)
        let listBegins = zip(bytes, bytes.dropFirst()).contains { first, second in
            first == UInt8(ascii: "[") && second == UInt8(ascii: "\"")
        }
        guard listBegins else { return nil }
        let lines = text.pythonStripped.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.last.flatMap { entries(Substring($0)) }
    }

    private static func json(_ text: Substring) -> JSON? {
        // Python refuses the byte order mark that the parser passes over.
        text.unicodeScalars.first == "\u{FEFF}" ? nil : try? JSON(parsing: text.utf8, numbers: .asWritten)
    }

    private static func entries(_ text: Substring) -> [String]? {
        switch json(text) {
        case .array(let elements): elements.map(Self.text)
        case .object(let object): keys(object)
        case .string(let string): string.unicodeScalars.map { String($0) }
        default: nil
        }
    }

    /// An entry as Python's format writes it; arrays and objects stay JSON.
    private static func text(_ element: JSON) -> String {
        switch element {
        case .string(let text): text
        case .bool(let value): value ? "True" : "False"
        case .null: "None"
        default: element.text
        }
    }

    /// A dict has each key once.
    private static func keys(_ object: JSONObject) -> [String] {
        var seen: Set<ExactText> = []
        return object.members.map(\.key).filter { seen.insert(ExactText($0)).inserted }
    }
}
