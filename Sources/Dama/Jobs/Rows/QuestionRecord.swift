import DamaSupport

/// A question about an image as a row of a dataset holds it.
public struct QuestionRecord: Equatable, Sendable {
    /// What the row calls itself (a string or a number); its position where it does not say.
    public var id: JSON
    /// Path of the image, relative to the image root; `nil` for a model of text alone.
    public var image: String?
    public var question: String

    /// Reads a row, with the fields and the forms that ``PairRecord`` knows. Responses that are there are passed over.
    ///
    /// - Parameter takesImage: A model of text alone has no use for the image that the row names.
    public init(_ row: RawRow, names: FieldNames, takesImage: Bool) throws(Rejection) {
        let json = try PairRecord.object(row)
        id = PairRecord.identifier(in: json, names: names) ?? .int(Int64(row.index))
        image = takesImage ? try PairRecord.image(in: json, names: names) : nil
        guard let question = PairRecord.question(in: json, names: names) else {
            throw Rejection(.missingField, "no field \(names.description(.question))")
        }
        self.question = question
    }
}
