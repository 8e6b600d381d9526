/// Typed reading of a model's config.json. Every field is checked once, where it is read. An error names the file, the
/// field's path, the value found and the value expected.
package struct ConfigReader: Sendable {
    /// The object to read from.
    package let json: JSON
    /// The beginning of every message: the file, and the path of a nested object.
    package let place: String

    /// The object in the file at `path`.
    package init(path: String) throws(DamaError) {
        try self.init(Files.readJSON(path), place: path)
    }

    package init(_ json: JSON, place: String) throws(DamaError) {
        guard json.object != nil else { throw .model("\(place): expected an object, found \(json.kind)") }
        self.json = json
        self.place = place
    }

    /// The nested object `key`; an empty one if it is missing, since configs omit fields that have their defaults.
    package func nested(_ key: String) throws(DamaError) -> ConfigReader {
        try ConfigReader(json[key] ?? .object(JSONObject()), place: "\(place): \(key)")
    }

    package func has(_ key: String) -> Bool { json[key] != nil }

    // MARK: Fields

    /// An integer inside `range`; `fallback` if the field is missing.
    package func int(_ key: String, default fallback: Int? = nil, in range: ClosedRange<Int>) throws(DamaError) -> Int {
        guard let value = json[key] else {
            guard let fallback else { throw missing(key, "an integer") }
            return fallback
        }
        guard let number = value.int, range.contains(number) else {
            throw wrong(key, value, "an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// A size: an integer from 1 to 2^24.
    package func size(_ key: String, default fallback: Int? = nil) throws(DamaError) -> Int {
        try int(key, default: fallback, in: 1...(1 << 24))
    }

    /// A finite number inside `range`; `fallback` if the field is missing.
    package func double(
        _ key: String, default fallback: Double? = nil, in range: ClosedRange<Double>
    ) throws(DamaError) -> Double {
        guard let value = json[key] else {
            guard let fallback else { throw missing(key, "a number") }
            return fallback
        }
        guard let number = value.double, range.contains(number) else {
            throw wrong(key, value, "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    package func bool(_ key: String, default fallback: Bool) throws(DamaError) -> Bool {
        guard let value = json[key] else { return fallback }
        guard let flag = value.bool else { throw wrong(key, value, "true or false") }
        return flag
    }

    package func string(_ key: String, default fallback: String? = nil) throws(DamaError) -> String {
        guard let value = json[key] else {
            guard let fallback else { throw missing(key, "a string") }
            return fallback
        }
        guard let text = value.string else { throw wrong(key, value, "a string") }
        return text
    }

    /// One of `choices`, by their raw values.
    package func choice<T: RawRepresentable & CaseIterable>(
        _ key: String, default fallback: T? = nil, as type: T.Type = T.self
    ) throws(DamaError) -> T where T.RawValue == String {
        let text = try string(key, default: fallback?.rawValue)
        guard let value = T(rawValue: text) else {
            let choices = T.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
            throw .unsupported("\(place): \(key) is \"\(text)\"; supported are \(choices)")
        }
        return value
    }

    /// An integer or a list of integers, such as `eos_token_id`; empty if the field is missing.
    package func ints(_ key: String, in range: ClosedRange<Int>) throws(DamaError) -> [Int] {
        guard let value = json[key] else { return [] }
        var numbers: [Int] = []
        for element in value.array ?? [value] {
            guard let number = element.int, range.contains(number) else {
                throw wrong(key, element, "an integer from \(range.lowerBound) to \(range.upperBound)")
            }
            numbers.append(number)
        }
        return numbers
    }

    // MARK: Messages

    private func missing(_ key: String, _ expected: String) -> DamaError {
        .model("\(place): \(key) is missing; expected \(expected)")
    }

    package func wrong(_ key: String, _ value: JSON, _ expected: String) -> DamaError {
        .model("\(place): \(key) is \(value.text.prefix(60)); expected \(expected)")
    }
}
