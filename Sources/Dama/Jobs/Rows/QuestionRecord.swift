import DamaSupport

/// A question about an image, as stored in a row of a dataset.
package struct QuestionRecord: Equatable, Sendable {
    /// The row's id (a string or a number); its position if it has none.
    package var id: JSON
    /// `nil` for a text-only model.
    package var image: RowImage?
    /// The row's own system prompt.
    package var system: String?
    package var question: String

    /// Reads a row with the fields and forms that ``PairRecord`` accepts. Responses are ignored, except for a question
    /// that precedes them.
    ///
    /// - Parameter takesImage: Whether the model takes an image; a text-only model ignores the row's image.
    package init(_ row: RawRow, names: FieldNames, takesImage: Bool) throws(Rejection) {
        let json = try PairRecord.object(row)
        id = try PairRecord.identifier(in: json, names: names) ?? .int(Int64(row.index))
        image = takesImage ? try PairRecord.image(in: json, names: names) : nil
        var texts = try RowTexts(promptOf: json, names: names)
        if texts.question == nil, let chosen = names.value(.chosen, of: json),
            let rejected = names.value(.rejected, of: json)
        {
            try texts.join(
                RowTexts.Response(chosen, field: names.description(.chosen)),
                RowTexts.Response(rejected, field: names.description(.rejected)), names: names)
        }
        guard let question = texts.question else {
            throw Rejection(.missingField, "the field \(names.description(.question)) is missing")
        }
        self.question = question
        system = texts.system
    }
}
