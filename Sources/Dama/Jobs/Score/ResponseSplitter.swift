import DamaSupport
import DamaText

/// Splits a response into simple, self-contained sub-sentences, each of which is scored separately (section 3.2 of the
/// paper).
///
/// Extends ``SubSentenceSplitter`` by what a job needs: a name that identifies the method, and flags about the result.
/// Called from several threads at once.
public protocol ResponseSplitter: Sendable {
    /// Identifies the method, its version and everything else that its results depend on. A job resumes only with a
    /// splitter of the same name.
    var name: String { get }

    /// The sub-sentences of `response`, in order, each within `limit`. Empty for a response without words.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` or ``DamaError/Code/model`` if the response is at fault, which
    ///   rejects its row. Any other error stops the job.
    func split(_ response: String, limit: TokenLimit) throws(DamaError) -> SplitResponse

    /// The same, as a job calls it. Splitters that wait for other programs, such as a server, must implement it: they
    /// check `stop` while they wait, and throw ``DamaError/cancelled`` once it is set.
    func split(_ response: String, limit: TokenLimit, stop: StopSignal) throws(DamaError) -> SplitResponse
}

extension ResponseSplitter {
    public func split(_ response: String, limit: TokenLimit, stop: StopSignal) throws(DamaError) -> SplitResponse {
        try split(response, limit: limit)
    }
}

/// The result of splitting a response.
public struct SplitResponse: Equatable, Sendable {
    public var subSentences: [String]
    /// Short flags about the result, for the row's `flags`: `fallback`.
    public var flags: [String]

    public init(_ subSentences: [String], flags: [String] = []) {
        self.subSentences = subSentences
        self.flags = flags
    }
}

/// A ``SubSentenceSplitter`` with a name.
public struct NamedSplitter: ResponseSplitter {
    public let name: String
    private let splitter: any SubSentenceSplitter

    public init(_ name: String, _ splitter: any SubSentenceSplitter) {
        self.name = name
        self.splitter = splitter
    }

    /// ``BuiltInSplitter``. The number in the name increases when its results change.
    public static let builtIn = NamedSplitter("built-in 1", BuiltInSplitter())

    public func split(_ response: String, limit: TokenLimit) throws(DamaError) -> SplitResponse {
        SplitResponse(try splitter.split(response, limit: limit))
    }
}
