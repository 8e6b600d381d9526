import DamaSupport
import DamaText

/// Splits a response into simple, self-contained sub-sentences, each to be scored by itself (section 3.2 of the paper).
///
/// What a job needs beyond ``SubSentenceSplitter``: a name that tells one method from another, and words on how it
/// went. Called from several threads at once.
public protocol ResponseSplitter: Sendable {
    /// Names the method, its version and whatever else its results depend on. A job only goes on with the same one.
    var name: String { get }

    /// The sub-sentences of `response`, in order, each within `limit`. None for a response without words.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` or ``DamaError/Code/model`` where the response is at fault, which
    ///   rejects its row. Anything else stops the job.
    func split(_ response: String, limit: TokenLimit) throws(DamaError) -> SplitResponse

    /// The same, as a job calls it. To be implemented by what waits for other programs, such as a server: it looks at
    /// `stop` while it waits, and throws ``DamaError/cancelled`` once that is set.
    func split(_ response: String, limit: TokenLimit, stop: StopSignal) throws(DamaError) -> SplitResponse
}

extension ResponseSplitter {
    public func split(_ response: String, limit: TokenLimit, stop: StopSignal) throws(DamaError) -> SplitResponse {
        try split(response, limit: limit)
    }
}

/// What a splitter makes of a response.
public struct SplitResponse: Equatable, Sendable {
    public var subSentences: [String]
    /// Short words on how it went, for the row's `flags`: `fallback`.
    public var flags: [String]

    public init(_ subSentences: [String], flags: [String] = []) {
        self.subSentences = subSentences
        self.flags = flags
    }
}

/// A splitter under a name.
public struct NamedSplitter: ResponseSplitter {
    public let name: String
    private let splitter: any SubSentenceSplitter

    public init(_ name: String, _ splitter: any SubSentenceSplitter) {
        self.name = name
        self.splitter = splitter
    }

    /// ``BuiltInSplitter``. The number rises when its results change.
    public static let builtIn = NamedSplitter("built-in 1", BuiltInSplitter())

    public func split(_ response: String, limit: TokenLimit) throws(DamaError) -> SplitResponse {
        SplitResponse(try splitter.split(response, limit: limit))
    }
}
