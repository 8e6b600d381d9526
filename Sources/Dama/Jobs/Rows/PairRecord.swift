import DamaModels
import DamaSupport

/// A preference pair as stored in a row of a dataset.
package struct PairRecord: Equatable, Sendable {
    /// The row's id (a string or a number); its position if it has none.
    package var id: JSON
    /// At least one, in the order of the prompt; empty for a text-only model.
    package var images: [RowImage]
    /// An optional system prompt, and questions and answers; the last message is the one that the responses answer.
    package var messages: [ChatMessage]?
    package var chosen: String
    package var rejected: String
    /// Sub-sentences given in the data.
    package var chosenSubSentences: [String]?
    package var rejectedSubSentences: [String]?

    package init(
        id: JSON, images: [RowImage], messages: [ChatMessage]? = nil, chosen: String, rejected: String,
        chosenSubSentences: [String]? = nil, rejectedSubSentences: [String]? = nil
    ) {
        self.id = id
        self.images = images
        self.messages = messages
        self.chosen = chosen
        self.rejected = rejected
        self.chosenSubSentences = chosenSubSentences
        self.rejectedSubSentences = rejectedSubSentences
    }
}

extension PairRecord {
    /// Reads a row. The fields have the names used by RLAIF-V, LLaVA and TRL, or those in `names`:
    ///
    /// - a response is a string, a message (`{"from": "gpt", "value": …}`, `{"role": "assistant", "content": …}`), or a
    ///   list of messages that ends with the assistant's;
    /// - an image is a path, a data URI, base64, or an object with `bytes` or a `path`; several are a list;
    /// - the question is a string or messages; it may also be in `conversations`, or precede both responses;
    /// - fields that the row lacks are read from `text`, if that holds the text of an object.
    ///
    /// - Parameter takesImage: Whether the model takes images; a text-only model ignores the row's.
    package init(_ row: RawRow, names: FieldNames, takesImage: Bool = true) throws(Rejection) {
        let json = try names.format.usual(Self.object(row))
        let chosenGiven = try Self.sentences(.chosenSubSentences, in: json, names: names)
        let rejectedGiven = try Self.sentences(.rejectedSubSentences, in: json, names: names)
        let images = takesImage ? try Self.images(in: json, names: names) : []
        var texts = try RowTexts(promptOf: json, names: names)
        let chosen = try Self.response(.chosen, in: json, names: names, given: chosenGiven)
        let rejected = try Self.response(.rejected, in: json, names: names, given: rejectedGiven)
        try texts.join(chosen, rejected, names: names)
        self.init(
            id: try Self.identifier(in: json, names: names) ?? .int(Int64(row.index)), images: images,
            messages: texts.prompt?.messages, chosen: chosen.text, rejected: rejected.text,
            chosenSubSentences: chosenGiven, rejectedSubSentences: rejectedGiven)
    }

    /// The identifier of a row that may be invalid, for the rejects file; `nil` if it cannot be read.
    static func identifier(of row: RawRow, names: FieldNames) -> JSON? {
        guard row.rejection == nil, let json = try? parse(row.bytes) else { return nil }
        return (try? identifier(in: json, names: names)) ?? nil
    }

    /// Numbers keep their text: two different ids of twenty digits must not become equal.
    static func identifier(in json: JSON, names: FieldNames) throws(Rejection) -> JSON? {
        guard let id = names.value(.id, of: json) else { return nil }
        switch id {
        case .int, .double, .string: return id
        case .number(let text):
            guard text.utf8.last.map({ (0x30...0x39).contains($0) }) == true else {
                throw Rejection(.wrongType, "\(names.description(.id)) is \(text), which is not an id")
            }
            return id
        default: return nil
        }
    }

    /// The row's fields, with the fields of the object in `text` that the row itself lacks.
    static func object(_ row: RawRow) throws(Rejection) -> JSON {
        if let rejection = row.rejection { throw rejection }
        let json = try parse(row.bytes)
        guard case .object(let object) = json else {
            throw Rejection(.invalidJSON, "a row must be an object with fields, found \(json.kind)")
        }
        guard let inner = Self.innerFields(json["text"]) else { return json }
        let missing = inner.members.filter { json[$0.key] == nil }
        return .object(JSONObject(missing + object.members.filter { $0.value != .null }))
    }

    /// RLAIF-V on the Hugging Face Hub stores question and responses as JSON in one field.
    private static func innerFields(_ text: JSON?) -> JSONObject? {
        if let object = text?.object { return object }
        guard let inner = text?.string, inner.utf8.first == UInt8(ascii: "{") else { return nil }
        return (try? JSON(parsing: inner.utf8, numbers: .asWritten))?.object
    }

    private static func parse(_ bytes: [UInt8]) throws(Rejection) -> JSON {
        do throws(DamaError) {
            return try JSON(parsing: bytes, numbers: .asWritten)
        } catch {
            guard String(validating: bytes, as: UTF8.self) != nil else {
                throw Rejection(.notUTF8, "the row is not valid UTF-8")
            }
            throw Rejection(.invalidJSON, error.message)
        }
    }

    /// The images under the first name that holds any.
    static func images(in json: JSON, names: FieldNames) throws(Rejection) -> [RowImage] {
        var first: Rejection?
        for (key, value) in names.values(.image, of: json) {
            do throws(Rejection) {
                return try RowImage.list(value, field: "\"\(key)\"")
            } catch {
                // Too many images are an error, whatever another name holds.
                if error.kind == .severalImages { throw error }
                first = first ?? error
            }
        }
        throw first ?? Rejection(.missingField, "the field \(names.description(.image)) is missing")
    }

    private static func response(
        _ field: FieldNames.Field, in json: JSON, names: FieldNames, given: [String]?
    ) throws(Rejection) -> RowTexts.Response {
        guard let value = names.value(field, of: json) ?? given.map({ .string($0.joined(separator: " ")) }) else {
            throw Rejection(.missingField, "the field \(names.description(field)) is missing")
        }
        let response = try RowTexts.Response(value, field: names.description(field))
        guard response.text.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
            throw Rejection(.emptyResponse, "\(names.description(field)) is empty")
        }
        return response
    }

    private static func sentences(
        _ field: FieldNames.Field, in json: JSON, names: FieldNames
    ) throws(Rejection) -> [String]? {
        guard let value = names.value(field, of: json) else { return nil }
        guard let elements = value.array else {
            throw Rejection(.wrongType, "\(names.description(field)) must be a list of texts, found \(value.kind)")
        }
        var sentences: [String] = []
        for element in elements {
            guard let text = element.string else {
                throw Rejection(.wrongType, "\(names.description(field)) must hold texts, found \(element.kind)")
            }
            guard text.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
                throw Rejection(.emptyResponse, "\(names.description(field)) holds an empty text")
            }
            sentences.append(text)
        }
        guard !sentences.isEmpty else { throw Rejection(.emptyResponse, "\(names.description(field)) is empty") }
        return sentences
    }
}
