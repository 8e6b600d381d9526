import DamaSupport

/// A preference pair as a row of a dataset holds it.
public struct PairRecord: Equatable, Sendable {
    /// What the row calls itself (a string or a number); its position where it does not say.
    public var id: JSON
    /// Path of the image, relative to the image root.
    public var image: String
    public var question: String?
    public var chosen: String
    public var rejected: String
    /// Sub-sentences that the data brings along.
    public var chosenSubSentences: [String]?
    public var rejectedSubSentences: [String]?

    public init(
        id: JSON, image: String, question: String? = nil, chosen: String, rejected: String,
        chosenSubSentences: [String]? = nil, rejectedSubSentences: [String]? = nil
    ) {
        self.id = id
        self.image = image
        self.question = question
        self.chosen = chosen
        self.rejected = rejected
        self.chosenSubSentences = chosenSubSentences
        self.rejectedSubSentences = rejectedSubSentences
    }
}

extension PairRecord {
    /// Reads a row. Fields are named as RLAIF-V and LLaVA data name them, or as `names` says:
    ///
    /// - a response is a string, a message (`{"value": …}`, `{"content": …}`), or a list of messages whose last counts;
    /// - the image is a path, or an object with a `path`;
    /// - the question may also be the first message of `conversations`.
    public init(_ row: RawRow, names: FieldNames) throws(Rejection) {
        let json = try Self.object(row)
        let image = try Self.image(in: json, names: names)
        let chosenGiven = try Self.sentences(.chosenSubSentences, in: json, names: names)
        let rejectedGiven = try Self.sentences(.rejectedSubSentences, in: json, names: names)
        self.init(
            id: Self.identifier(in: json, names: names) ?? .int(Int64(row.index)), image: image,
            question: Self.question(in: json, names: names),
            chosen: try Self.response(.chosen, in: json, names: names, given: chosenGiven),
            rejected: try Self.response(.rejected, in: json, names: names, given: rejectedGiven),
            chosenSubSentences: chosenGiven, rejectedSubSentences: rejectedGiven)
    }

    /// The identifier of a row that may be broken, for the rejects file; `nil` where it cannot be told.
    static func identifier(of row: RawRow, names: FieldNames) -> JSON? {
        guard row.rejection == nil, let json = try? JSON(parsing: row.bytes) else { return nil }
        return identifier(in: json, names: names)
    }

    static func identifier(in json: JSON, names: FieldNames) -> JSON? {
        switch names.value(.id, of: json) {
        case .some(.int(let value)): .int(value)
        case .some(.string(let value)): .string(value)
        case .some(.double(let value)): .double(value)
        default: nil
        }
    }

    /// A row's fields.
    static func object(_ row: RawRow) throws(Rejection) -> JSON {
        if let rejection = row.rejection { throw rejection }
        let json = try parse(row.bytes)
        guard case .object = json else {
            throw Rejection(.invalidJSON, "a row has to be an object with fields, found \(json.kind)")
        }
        return json
    }

    private static func parse(_ bytes: [UInt8]) throws(Rejection) -> JSON {
        do throws(DamaError) {
            return try JSON(parsing: bytes)
        } catch {
            guard String(validating: bytes, as: UTF8.self) != nil else {
                throw Rejection(.notUTF8, "the row is not valid UTF-8")
            }
            throw Rejection(.invalidJSON, error.message)
        }
    }

    static func question(in json: JSON, names: FieldNames) -> String? {
        names.value(.question, of: json).flatMap { text(of: $0) } ?? firstMessage(in: json)
    }

    static func image(in json: JSON, names: FieldNames) throws(Rejection) -> String {
        guard let value = names.value(.image, of: json) else {
            throw Rejection(.missingField, "no field \(names.description(.image))")
        }
        guard let path = value.string ?? value["path"]?.string else {
            throw Rejection(.wrongType, "\(names.description(.image)) has to be a path, found \(value.kind)")
        }
        guard !path.isEmpty else { throw Rejection(.missingField, "\(names.description(.image)) is empty") }
        return path
    }

    private static func response(
        _ field: FieldNames.Field, in json: JSON, names: FieldNames, given: [String]?
    ) throws(Rejection) -> String {
        guard let value = names.value(field, of: json) else {
            if let given { return given.joined(separator: " ") }
            throw Rejection(.missingField, "no field \(names.description(field))")
        }
        guard let text = text(of: value) else {
            throw Rejection(.wrongType, "\(names.description(field)) has to be a text, found \(value.kind)")
        }
        guard text.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
            throw Rejection(.emptyResponse, "\(names.description(field)) is empty")
        }
        return text
    }

    private static func sentences(
        _ field: FieldNames.Field, in json: JSON, names: FieldNames
    ) throws(Rejection) -> [String]? {
        guard let value = names.value(field, of: json) else { return nil }
        guard let elements = value.array else {
            throw Rejection(.wrongType, "\(names.description(field)) has to be a list of texts, found \(value.kind)")
        }
        var sentences: [String] = []
        for element in elements {
            guard let text = element.string else {
                throw Rejection(.wrongType, "\(names.description(field)) has to hold texts, found \(element.kind)")
            }
            guard text.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
                throw Rejection(.emptyResponse, "\(names.description(field)) holds an empty text")
            }
            sentences.append(text)
        }
        guard !sentences.isEmpty else { throw Rejection(.emptyResponse, "\(names.description(field)) is empty") }
        return sentences
    }

    // MARK: Messages

    /// The text of a string, a message, a message's parts, or the last message of a list.
    private static func text(of value: JSON) -> String? {
        if let text = value.string { return text }
        if let message = value.array?.last, message.object != nil { return text(ofMessage: message) }
        return text(ofMessage: value)
    }

    private static func text(ofMessage message: JSON) -> String? {
        guard let content = message["value"] ?? message["content"] else { return nil }
        if let text = content.string { return text }
        let parts = content.array?.compactMap { $0["text"]?.string } ?? []
        return parts.isEmpty ? nil : parts.joined(separator: "\n")
    }

    private static func firstMessage(in json: JSON) -> String? {
        json["conversations"]?.array?.first.flatMap { text(ofMessage: $0) }
    }
}
