import DamaSupport

/// A question about an image as a row of a dataset holds it.
package struct QuestionRecord: Equatable, Sendable {
    /// What the row calls itself (a string or a number); its position where it does not say.
    package var id: JSON
    /// `nil` for a model of text alone.
    package var image: RowImage?
    /// A system prompt of the row's own.
    package var system: String?
    package var question: String

    /// Reads a row, with the fields and the forms that ``PairRecord`` knows. Responses that are there are passed over, but
    /// for the question that may stand before them.
    ///
    /// - Parameter takesImage: A model of text alone has no use for the image that the row names.
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
            throw Rejection(.missingField, "no field \(names.description(.question))")
        }
        self.question = question
        system = texts.system
    }
}
