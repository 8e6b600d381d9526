import DamaSupport

/// The special tokens around a text: ids before and ids after.
///
/// Every processor that tokenizer.json defines for single texts reduces to this; `ByteLevel` only changes offsets.
struct PostProcessor: Sendable, Equatable {
    var prefix: [Int32] = []
    var suffix: [Int32] = []
    /// Whether a text that ends in the suffix gets it once more.
    var repeatsSuffix = true

    init() {}

    /// Adds the suffix to the ids of a text.
    func finish(_ ids: inout [Int32]) {
        if repeatsSuffix || suffix.isEmpty || !ids.dropFirst(prefix.count).suffix(suffix.count).elementsEqual(suffix) {
            ids += suffix
        }
    }

    private static let known = "TemplateProcessing, RobertaProcessing, BertProcessing, ByteLevel and Sequence"

    /// - Parameter contains: Whether an id is in the vocabulary.
    init(_ field: JSONField, contains: (Int) -> Bool) throws(DamaError) {
        let type = try field.string("type")
        switch type {
        case "ByteLevel": break
        case "Sequence":
            for step in try field.require("processors").array() {
                let inner = try PostProcessor(step, contains: contains)
                prefix = inner.prefix + prefix
                suffix += inner.suffix
            }
        case "RobertaProcessing", "BertProcessing":
            prefix = [try Self.pair(field.require("cls"), contains: contains)]
            suffix = [try Self.pair(field.require("sep"), contains: contains)]
        case "TemplateProcessing": try readTemplate(field, contains: contains)
        default: throw field.unknownType(type, known: Self.known)
        }
        guard prefix.count + suffix.count <= 1024 else {
            throw .model("\(field.path): too many special tokens around a text (\(prefix.count + suffix.count))")
        }
    }

    /// `["<s>", 1]`
    private static func pair(_ field: JSONField, contains: (Int) -> Bool) throws(DamaError) -> Int32 {
        let pair = try field.array()
        guard pair.count == 2 else { throw field.wrongKind("a token and its id") }
        return try checked(pair[1], contains: contains)
    }

    private static func checked(_ field: JSONField, contains: (Int) -> Bool) throws(DamaError) -> Int32 {
        let id = try field.int()
        guard contains(id), let id = Int32(exactly: id) else {
            throw .model("\(field.path): id \(id) is not in the vocabulary")
        }
        return id
    }

    private mutating func readTemplate(_ field: JSONField, contains: (Int) -> Bool) throws(DamaError) {
        let specials = try field.require("special_tokens")
        var sawText = false
        for item in try field.require("single").array() {
            if let special = item["SpecialToken"] {
                let name = try special.string("id")
                guard let token = specials[name] else {
                    throw .model("\(special.path).id: \(quoted(name)) is missing from \(specials.path)")
                }
                var ids: [Int32] = []
                for id in try token.require("ids").array() { ids.append(try Self.checked(id, contains: contains)) }
                if sawText { suffix += ids } else { prefix += ids }
            } else if let sequence = item["Sequence"] {
                let name = try sequence.string("id")
                guard name == "A", !sawText else {
                    throw .unsupported("\(sequence.path): a template for one text must contain the sequence \"A\" once")
                }
                sawText = true
            } else {
                throw .model("\(item.path): expected {\"SpecialToken\": …} or {\"Sequence\": …}")
            }
        }
        guard sawText else { throw .model("\(field.path).single: the sequence \"A\" is missing") }
    }
}
