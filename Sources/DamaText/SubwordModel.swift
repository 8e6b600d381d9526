import DamaSupport

/// The step from a word to ids: byte-pair encoding or a unigram model.
protocol SubwordModel: Sendable {
    var vocabulary: TokenTable { get }
    /// The id of what no token covers; `nil` if the model has none.
    var unknownID: Int32? { get }

    /// Appends the ids of one word, a piece from the pre-tokenizer.
    ///
    /// - Throws: ``DamaError/Code/model`` if no token covers a character and the model has no unknown token.
    func encode(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) throws(DamaError)
}

/// Ids of "<0x00>" … "<0xFF>"; -1 if the vocabulary has no such token.
struct ByteTokens: Sendable {
    private let ids: [Int32]

    init(_ vocabulary: TokenTable) {
        ids = (0..<256).map { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            return vocabulary.id(of: "<0x\(byte < 16 ? "0" : "")\(digits)>") ?? -1
        }
    }

    /// The ids of the bytes of `text`; `nil` if one of them has no token.
    func ids(of text: String) -> [Int32]? {
        let found = text.utf8.map { ids[Int($0)] }
        return found.contains(-1) ? nil : found
    }
}

/// Reads the `model` of a tokenizer.json.
enum SubwordModels {
    static func read(_ field: JSONField) throws(DamaError) -> any SubwordModel {
        // Old files omit the type; a list of pieces or merges distinguish the kinds.
        let implied = field["merges"] != nil ? "BPE" : field["vocab"]?.value.array != nil ? "Unigram" : ""
        let type = try field["type"]?.string() ?? implied
        switch type {
        case "BPE": return try BytePairEncoding(field)
        case "Unigram": return try Unigram(field)
        default: throw field.unknownType(type, known: "BPE and Unigram")
        }
    }
}
