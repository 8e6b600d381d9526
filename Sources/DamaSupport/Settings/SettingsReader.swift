/// Typed reading of a job's configuration, like ``ConfigReader``. An unknown field is an error that suggests the
/// nearest known one: a misspelt field would otherwise keep its default silently.
package struct SettingsReader: Sendable {
    private let reader: ConfigReader

    /// - Parameter fields: All known fields.
    package init(_ json: JSON, place: String, fields: [String]) throws(DamaError) {
        reader = try Self.arguments { () throws(DamaError) in try ConfigReader(json, place: place) }
        var seen = Set<String>()
        for (key, _) in json.object?.members ?? [] {
            guard fields.contains(key) else {
                throw .invalidArgument("\(place): unknown field \"\(key)\"\(Self.hint(key, fields))")
            }
            guard seen.insert(key).inserted else { throw .invalidArgument("\(place): \"\(key)\" is set twice") }
        }
    }

    package var json: JSON { reader.json }
    package func has(_ key: String) -> Bool { reader.has(key) }

    /// The nested object `key`, in which only `fields` are known; an empty one if it is missing.
    package func nested(_ key: String, fields: [String]) throws(DamaError) -> SettingsReader {
        try SettingsReader(json[key] ?? [:], place: "\(reader.place): \(key)", fields: fields)
    }

    // MARK: Fields

    package func int(_ key: String, default fallback: Int, in range: ClosedRange<Int>) throws(DamaError) -> Int {
        guard let value = json[key] else { return fallback }
        guard let number = value.int, range.contains(number) else { throw wrong(key, SettingRange.expected(range)) }
        return number
    }

    package func double(
        _ key: String, default fallback: Double, in range: ClosedRange<Double>
    ) throws(DamaError) -> Double {
        guard let value = json[key] else { return fallback }
        guard let number = value.double, range.contains(number) else {
            let isAny = range.upperBound == .greatestFiniteMagnitude && range.lowerBound == -.greatestFiniteMagnitude
            throw wrong(key, isAny ? "a finite number" : "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    package func bool(_ key: String, default fallback: Bool) throws(DamaError) -> Bool {
        try Self.arguments { () throws(DamaError) in try reader.bool(key, default: fallback) }
    }

    package func string(_ key: String) throws(DamaError) -> String {
        try Self.arguments { () throws(DamaError) in try reader.string(key) }
    }

    /// A string or a list of strings; `nil` if the field is missing.
    package func strings(_ key: String) throws(DamaError) -> [String]? {
        guard let value = json[key] else { return nil }
        var texts: [String] = []
        for element in value.array ?? [value] {
            guard let text = element.string else { throw wrong(key, "a text or a list of texts") }
            texts.append(text)
        }
        return texts
    }

    /// An integer or a list of integers inside `range`; empty if the field is missing.
    package func ints(_ key: String, in range: ClosedRange<Int>) throws(DamaError) -> [Int] {
        try Self.arguments { () throws(DamaError) in try reader.ints(key, in: range) }
    }

    /// One of `choices` by its name; `nil` if the field is missing.
    package func choice<T>(_ key: String, of choices: [(String, T)]) throws(DamaError) -> T? {
        guard has(key) else { return nil }
        let text = try string(key)
        guard let found = choices.first(where: { $0.0 == text }) else {
            throw wrong(key, "one of \(choices.map(\.0).joined(separator: ", "))")
        }
        return found.1
    }

    package func choice<T: RawRepresentable & CaseIterable>(_ key: String, default fallback: T) throws(DamaError) -> T
    where T.RawValue == String {
        try choice(key, of: T.allCases.map { ($0.rawValue, $0) }) ?? fallback
    }

    package func wrong(_ key: String, _ expected: String) -> DamaError {
        let value = json[key] ?? .null
        // Values that JSON cannot represent, such as an infinite number, are shown as well.
        let text = if case .number(let text) = value { text } else { value.text }
        return .invalidArgument("\(place): \(key) is \(text.prefix(60)); expected \(expected)")
    }

    /// The beginning of every message.
    package var place: String { reader.place }

    /// An error in a configuration is an invalid argument, not a damaged model.
    private static func arguments<T>(_ body: () throws(DamaError) -> T) throws(DamaError) -> T {
        do throws(DamaError) {
            return try body()
        } catch {
            throw .invalidArgument(error.message)
        }
    }

    // MARK: Suggestions

    private static func hint(_ key: String, _ fields: [String]) -> String {
        let nearest = fields.map { ($0, distance(Array(key.utf8), Array($0.utf8))) }.min { $0.1 < $1.1 }
        if let nearest, nearest.1 <= max(2, key.utf8.count / 3) { return "; did you mean \"\(nearest.0)\"?" }
        return "; known fields are \(fields.joined(separator: ", "))"
    }

    /// Levenshtein distance: insertions, deletions and replacements.
    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        guard a.count <= 100 else { return .max }
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (x == y ? 0 : 1))
                diagonal = above
            }
        }
        return row[b.count]
    }
}
