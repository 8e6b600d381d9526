import DamaSupport

// Texts that Python's methods of `str` make, within the limits.
extension Renderer {
    /// A replacement may make a text much longer: its length is known before it is made.
    func checkReplacement(_ text: Text, _ old: Text, _ new: Text) throws(DamaError) {
        let (added, overflow) = text.count(of: old).multipliedReportingOverflow(by: new.count)
        try check(characters: overflow ? .max : text.count.addingReportingOverflow(added).partialValue)
    }

    func padded(_ text: Text, _ width: Int, _ side: String, _ fill: Unicode.Scalar) throws(DamaError) -> Text {
        let missing = width.subtractingReportingOverflow(text.count).partialValue
        guard missing > 0 else { return text }
        try check(characters: missing)
        func pad(_ count: Int) -> Text { Text(repeatElement(fill, count: count)) }
        switch side {
        case "ljust": return text + pad(missing)
        case "center":
            // Python's choice where the rest is odd.
            let left = missing / 2 + (missing & width & 1)
            return pad(left) + text + pad(missing - left)
        case "zfill":
            guard let sign = text.scalars.first, sign == "-" || sign == "+" else { return pad(missing) + text }
            return Text([sign]) + pad(missing) + Text(text.scalars.dropFirst())
        default: return pad(missing) + text
        }
    }

    func expanded(_ text: Text, tabSize: Int) throws(DamaError) -> Text {
        var result: [Unicode.Scalar] = []
        var column = 0
        for scalar in text.scalars {
            if scalar == "\t" {
                let width = tabSize > 0 ? tabSize - column % tabSize : 0
                try check(characters: result.count.addingReportingOverflow(width).partialValue)
                try check(characters: width)
                result += repeatElement(" ", count: width)
                column += width
            } else {
                result.append(scalar)
                column = scalar == "\n" || scalar == "\r" ? 0 : column + 1
            }
        }
        return Text(result)
    }

    /// `str.format` with places and names, without format specifications.
    mutating func braceFormatted(_ format: Text, _ arguments: Arguments) throws(DamaError) -> Text {
        var result: [Unicode.Scalar] = []
        var rest = format.scalars[...]
        var next = 0
        while let scalar = rest.popFirst() {
            if scalar == "{" || scalar == "}", rest.first == scalar {
                rest.removeFirst()
                result.append(scalar)
            } else if scalar == "{" {
                guard let end = rest.firstIndex(of: "}") else { throw error("a format string does not close {") }
                let field = Text(rest[..<end]).string
                rest = rest[(end + 1)...]
                let value: Value?
                if field.isEmpty {
                    value = arguments.positional.indices.contains(next) ? arguments.positional[next] : nil
                    next += 1
                } else if let place = Int(field) {
                    value = arguments.positional.indices.contains(place) ? arguments.positional[place] : nil
                } else {
                    value = arguments[field]
                }
                guard let value else { throw error("a format string asks for '\(field)', which is not given") }
                result += try string(of: value).scalars
            } else {
                result.append(scalar)
            }
            try check(characters: result.count)
        }
        return Text(result)
    }
}
