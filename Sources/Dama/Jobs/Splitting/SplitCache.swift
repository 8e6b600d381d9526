import DamaSupport

/// A splitter's answers by the hash of the request: in memory, and in a file if one is given.
///
/// The file is append-only JSON Lines. A line that was cut short when a process ended is ignored.
public final class SplitCache: Sendable {
    private let answers: AnswerCache<SplitResponse>

    /// - Parameter path: The cache file; `nil` keeps answers in memory only.
    /// - Throws: ``DamaError/Code/io`` if the file cannot be read or written; ``DamaError/Code/invalidArgument`` if it
    ///   is not such a cache.
    public init(path: String? = nil) throws(DamaError) { answers = try AnswerCache(path: path) }

    subscript(key: String) -> SplitResponse? { answers[key] }

    func keep(_ response: SplitResponse, for key: String) throws(DamaError) { try answers.keep(response, for: key) }
}

extension SplitResponse: CachedAnswer {
    static var kind: String { "a splitter's answers" }

    init?(_ json: JSON) {
        guard let sentences = json["sentences"]?.array, let flags = json["flags"]?.array else { return nil }
        self.init(sentences.compactMap(\.string), flags: flags.compactMap(\.string))
    }

    var members: [JSONObject.Member] {
        [
            ("sentences", .array(subSentences.map { .string($0) })), ("flags", .array(flags.map { .string($0) })),
        ]
    }
}
