import DamaModels
import DamaSupport

/// A question about images, as stored in a row of a dataset.
package struct QuestionRecord: Equatable, Sendable {
    /// The row's id (a string or a number); its position if it has none.
    package var id: JSON
    /// Empty for a text-only model.
    package var images: [RowImage]
    /// An optional system prompt, and questions and answers; the last message is to be answered.
    package var messages: [ChatMessage]

    /// Reads a row with the fields and forms that ``PairRecord`` accepts. Responses are ignored, except for the messages
    /// that precede them.
    ///
    /// - Parameter takesImage: Whether the model takes images; a text-only model ignores the row's.
    package init(_ row: RawRow, names: FieldNames, takesImage: Bool) throws(Rejection) {
        let json = try names.format.usual(PairRecord.object(row))
        id = try PairRecord.identifier(in: json, names: names) ?? .int(Int64(row.index))
        images = takesImage ? try PairRecord.images(in: json, names: names) : []
        var texts = try RowTexts(promptOf: json, names: names)
        if texts.prompt == nil, let chosen = names.value(.chosen, of: json),
            let rejected = names.value(.rejected, of: json)
        {
            try texts.join(
                RowTexts.Response(chosen, field: names.description(.chosen)),
                RowTexts.Response(rejected, field: names.description(.rejected)), names: names)
        }
        guard let prompt = texts.prompt else {
            throw Rejection(.missingField, "the field \(names.description(.question)) is missing")
        }
        messages = prompt.messages
    }
}
