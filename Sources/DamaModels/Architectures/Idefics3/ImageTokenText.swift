import DamaImage
import DamaSupport
import DamaText

/// The text that replaces an image's place in the prompts of Idefics3 and SmolVLM: the tokens of each tile behind its
/// row and column, and those of the whole picture.
struct ImageTokenText: Sendable {
    private let tokenizer: Tokenizer
    private let image: Int32
    private let perTile: Int
    private let imageText: String
    private static let around = "<fake_token_around_image>"

    /// - Parameters:
    ///   - image: the image token.
    ///   - perTile: image tokens of a tile.
    ///   - place: the directory, for messages.
    init(_ tokenizer: Tokenizer, image: Int32, perTile: Int, place: String) throws(DamaError) {
        guard tokenizer.id(of: Self.around) != nil, let text = tokenizer.token(of: image) else {
            throw .model("\(place): the tokenizer has no token \(Self.around), which stands around images")
        }
        (self.tokenizer, self.image, self.perTile, imageText) = (tokenizer, image, perTile, text)
    }

    /// The token ids, with placeholders for image features.
    func expansion(rows: Int, columns: Int) throws(DamaError) -> [Int32] {
        var text = ""
        for row in 1..<rows + 1 {
            for column in 1..<columns + 1 { text += "\(Self.around)<row_\(row)_col_\(column)>\(imageText)" }
            text += "\n"
        }
        if rows > 0 { text += "\n" }
        text += "\(Self.around)<global-img>\(imageText)\(Self.around)"
        // One image token for each tile: a long text of many is slow to tokenise.
        return try tokenizer.encode(text, addSpecialTokens: false).flatMap {
            $0 == image ? TokenSequence.placeholders(perTile) : [$0]
        }
    }
}
