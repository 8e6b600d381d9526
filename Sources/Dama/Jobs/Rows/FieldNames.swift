import DamaSupport

/// The names of a dataset's fields in its rows.
public struct FieldNames: Equatable, Sendable {
    /// The form of the rows.
    public var format = RowFormat.automatic
    /// The fields, each with the names looked for in the rows, best first.
    private var names: [(field: Field, keys: [String])] = [
        (.id, ["idx", "id"]),
        (.image, ["image", "image_path", "images"]),
        (.question, ["question", "prompt"]),
        (.chosen, ["chosen"]),
        (.rejected, ["rejected"]),
        (.chosenSubSentences, ["chosen_sub_sentences"]),
        (.rejectedSubSentences, ["rejected_sub_sentences"]),
    ]

    /// A field that jobs read.
    public enum Field: String, CaseIterable, Sendable {
        case id = "idx"
        case image
        case question
        case chosen
        case rejected
        case chosenSubSentences = "chosen_sub_sentences"
        case rejectedSubSentences = "rejected_sub_sentences"
    }

    public init() {}

    /// The usual names with some replaced: `["chosen=answer_good", "image=picture"]`.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for text that is not of the form `field=name`, or an unknown field.
    public init(mappings: [String]) throws(DamaError) {
        for mapping in mappings {
            let parts = mapping.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[1].isEmpty else {
                throw .invalidArgument("field mapping \"\(mapping)\" is not of the form field=name")
            }
            try map(String(parts[0]), to: String(parts[1]))
        }
    }

    /// Looks for the field called `field` under `key` alone.
    public mutating func map(_ field: String, to key: String) throws(DamaError) {
        // The image's path and the id each have two usual names, and users write either.
        let canonical = field == "image_path" ? "image" : field == "id" ? "idx" : field
        guard let known = Field(rawValue: canonical), let position = names.firstIndex(where: { $0.field == known })
        else {
            let all = Field.allCases.map(\.rawValue).joined(separator: ", ")
            throw .invalidArgument("unknown field \"\(field)\" in a field mapping; the fields are \(all)")
        }
        names[position].keys = [key]
    }

    /// The value of the first of the field's names that the row holds, other than `null`.
    func value(_ field: Field, of row: JSON) -> JSON? {
        values(field, of: row).first?.value
    }

    /// The values of the row under the field's names, other than `null`.
    func values(_ field: Field, of row: JSON) -> [(key: String, value: JSON)] {
        keys(field).compactMap { key in row[key].map { (key, $0) } }
    }

    /// The field's names for messages: `"image" or "image_path"`.
    func description(_ field: Field) -> String {
        keys(field).map { "\"\($0)\"" }.joined(separator: " or ")
    }

    private func keys(_ field: Field) -> [String] { names.first { $0.field == field }?.keys ?? [] }

    /// The names as JSON, for comparing the settings of two runs.
    var json: JSON {
        .object(JSONObject(names.map { (key: $0.field.rawValue, value: .array($0.keys.map { .string($0) })) }))
    }

    public static func == (a: FieldNames, b: FieldNames) -> Bool { a.json == b.json && a.format == b.format }
}
