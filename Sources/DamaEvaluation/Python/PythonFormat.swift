import DamaSupport

/// Templates with the places `{}`, as Python's `str.format()` fills them.
enum PythonFormat {
    /// Fills the places in order; `{{` and `}}` are braces.
    ///
    /// - Throws: ``DamaError/Code/model`` for any other use of a brace, and for more or fewer places than values.
    static func fill(_ template: String, _ values: [String]) throws(DamaError) -> String {
        var result: [UInt8] = []
        var rest = Array(template.utf8)[...]
        var values = values[...]
        while let byte = rest.popFirst() {
            switch (byte, rest.first) {
            case (UInt8(ascii: "{"), UInt8(ascii: "{")), (UInt8(ascii: "}"), UInt8(ascii: "}")):
                result.append(byte)
                rest.removeFirst()
            case (UInt8(ascii: "{"), UInt8(ascii: "}")):
                guard let value = values.popFirst() else { throw .model("the prompt has more places {} than expected") }
                result += value.utf8
                rest.removeFirst()
            case (UInt8(ascii: "{"), _), (UInt8(ascii: "}"), _):
                throw .model("the prompt has a single brace that is no place {}")
            default: result.append(byte)
            }
        }
        guard values.isEmpty else { throw .model("the prompt has \(values.count) places {} fewer than expected") }
        return String(decoding: result, as: UTF8.self)
    }
}
