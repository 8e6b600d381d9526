import DamaSupport

/// One row of a batch for the decoder: a shared prefix and the responses that follow it.
///
/// Both responses of a pair follow the same image and prompt. In the layout `[prefix | chosen | rejected]` the prefix
/// is computed once: the positions of the rejected response start at the same value as those of the chosen one, and it
/// attends only to the prefix and to itself. Log-probabilities equal those of two separate sequences.
public struct TokenSequence: Equatable, Sendable {
    /// The id in ``tokens`` where a row of image features replaces a token's embedding.
    public static let imagePlaceholder: Int32 = -1

    /// Placeholders for `count` rows of image features.
    package static func placeholders(_ count: Int) -> [Int32] { [Int32](repeating: imagePlaceholder, count: count) }

    /// One response inside the sequence.
    public struct Response: Equatable, Sendable {
        /// The range of its tokens in ``TokenSequence/tokens``; not empty.
        public var range: Range<Int>
    }

    /// Token ids, ``imagePlaceholder`` for image features. [T]
    public private(set) var tokens: [Int32]
    /// Rotary positions. [T]
    public private(set) var positions: [Int32]
    /// Length of the shared prefix.
    public let prefixLength: Int
    public private(set) var responses: [Response]

    /// - Parameters:
    ///   - prefix: at least one token, since the prefix's last row predicts the first token of each response.
    ///   - responses: at least one token each.
    /// - Throws: ``DamaError/Code/invalidArgument`` if the prefix or a response is empty.
    public init(prefix: [Int32], responses: [[Int32]]) throws(DamaError) {
        guard !prefix.isEmpty else {
            throw .invalidArgument(
                "the prompt has no tokens; it must have at least one, from which the first response token is predicted")
        }
        tokens = prefix
        positions = prefix.indices.map(Int32.init)
        prefixLength = prefix.count
        self.responses = []
        for (index, response) in responses.enumerated() {
            guard !response.isEmpty else { throw .invalidArgument("response \(index) has no tokens") }
            let start = tokens.count
            tokens += response
            positions += response.indices.map { Int32(prefix.count + $0) }
            self.responses.append(Response(range: start..<tokens.count))
        }
    }

    public var count: Int { tokens.count }

    /// Rows whose hidden state predicts a response token, responses one after the other. [R]
    public var predictingRows: [Int32] {
        responses.flatMap { response in
            response.range.map { Int32($0 == response.range.lowerBound ? prefixLength - 1 : $0 - 1) }
        }
    }

    /// The tokens those rows predict. [R]
    public var targets: [Int32] { responses.flatMap { tokens[$0.range] } }

    /// Writes the additive attention mask: 0 where a row attends to a column, otherwise `blocked`.
    ///
    /// - Parameters:
    ///   - mask: [length, length], row-major: query rows, key columns.
    ///   - length: at least ``count``; rows beyond it are padding and attend to the first column, so that their softmax
    ///     has a value.
    ///   - window: A row attends only to positions less than this number before its own; `nil` for all.
    public func writeMask(
        into mask: UnsafeMutableBufferPointer<Float>, length: Int, window: Int? = nil, blocked: Float
    ) {
        mask.update(repeating: blocked)
        for row in 0..<length {
            let line = mask.extracting(row * length..<(row + 1) * length)
            guard row < count else {
                line[0] = 0
                continue
            }
            // Without a window, position 0. A position of the prefix is its index.
            let first = window.map { max(0, Int(positions[row]) - $0 + 1) } ?? 0
            line.extracting(min(first, prefixLength)..<min(row + 1, prefixLength)).update(repeating: 0)
            if let own = responses.first(where: { $0.range.contains(row) }) {
                let start = own.range.lowerBound + max(0, first - prefixLength)
                line.extracting(start..<row + 1).update(repeating: 0)
            }
        }
    }
}
