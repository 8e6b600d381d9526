import DamaSupport

/// Punkt's four tables of text, as `punkt_tab` has them for each language.
struct PunktTables {
    let abbreviations: [String]
    let collocations: [String]
    let starters: [String]
    let contexts: [ExactText: UInt32]

    static let names = ["abbrev_types.txt", "collocations.tab", "sent_starters.txt", "ortho_context.tab"]

    /// - Parameter read: The contents of a table by its name.
    init(read: (String) throws(DamaError) -> [UInt8]) throws(DamaError) {
        abbreviations = try Self.lines(try read("abbrev_types.txt"))
        starters = try Self.lines(try read("sent_starters.txt"))
        collocations = try Self.lines(try read("collocations.tab")).map { line throws(DamaError) in
            try Self.columns(line, of: "collocations.tab").joined(separator: "\n")
        }
        var contexts: [ExactText: UInt32] = [:]
        for line in try Self.lines(try read("ortho_context.tab")) {
            let columns = try Self.columns(line, of: "ortho_context.tab")
            guard let flags = UInt32(columns[1]) else {
                throw .model("ortho_context.tab: the line \(quoted(line)) does not end in a number")
            }
            contexts[ExactText(columns[0])] = flags
        }
        self.contexts = contexts
    }

    private static func columns(_ line: String, of name: String) throws(DamaError) -> [String] {
        let columns = line.unicodeScalars.split(separator: "\t", omittingEmptySubsequences: false).map { String($0) }
        guard columns.count == 2 else {
            throw .model("\(name): the line \(quoted(line)) has \(columns.count) columns; expected 2")
        }
        return columns
    }

    private static func lines(_ bytes: [UInt8]) throws(DamaError) -> [String] { try TextLines.of(bytes) }

    func sections() throws(DamaError) -> [WordFile.Section: [UInt8]] {
        [
            .abbreviations: try StringTable.encoded(abbreviations),
            .collocations: try StringTable.encoded(collocations),
            .starters: try StringTable.encoded(starters), .contexts: try StringTable.encoded(contexts),
        ]
    }
}

/// The lines of a text file, as Python's text mode reads them.
enum TextLines {
    static func of(_ bytes: [UInt8]) throws(DamaError) -> [String] {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .model("a table of words is not UTF-8") }
        var scalars = Scalars(text.unicodeScalars)
        if scalars.contains("\r") {
            scalars = Scalars(
                scalars.indices.filter { scalars[$0] != "\n" || $0 == 0 || scalars[$0 - 1] != "\r" }
                    .map { scalars[$0] == "\r" ? "\n" : scalars[$0] })
        }
        if scalars.last == "\n" { scalars.removeLast() } else if scalars.isEmpty { return [] }
        return scalars.split(separator: "\n", omittingEmptySubsequences: false).map(\.string)
    }
}
