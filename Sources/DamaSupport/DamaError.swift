/// An error: what is wrong and what would be right, in one line.
///
/// Every failure in libdama is a `DamaError`. The C ABI maps `code` to a `dama_status` and keeps `message` for
/// `dama_error_message()`. Messages are for the person who must correct the input: name the thing, state what was
/// found and what was expected, quote the offending text.
public struct DamaError: Error, Equatable, CustomStringConvertible, Sendable {
    /// The kinds of failure, one for each status of the C ABI.
    public enum Code: Sendable, Equatable, CaseIterable {
        /// A value that is never valid: NULL, NaN, a negative size, an unknown option.
        case invalidArgument
        /// Sizes that do not match, or a buffer too small for the result.
        case shapeMismatch
        /// A file that cannot be read or written.
        case io
        /// A model, tokenizer or image whose contents are wrong.
        case model
        /// Valid input that this build or this runtime does not support.
        case unsupported
        /// A failed allocation, or an input larger than its limit.
        case outOfMemory
        /// A defect of the library.
        case `internal`
        /// A stop requested by a callback or another thread.
        case cancelled
    }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }

    public static func invalidArgument(_ message: String) -> DamaError { DamaError(.invalidArgument, message) }
    public static func shapeMismatch(_ message: String) -> DamaError { DamaError(.shapeMismatch, message) }
    public static func io(_ message: String) -> DamaError { DamaError(.io, message) }
    public static func model(_ message: String) -> DamaError { DamaError(.model, message) }
    public static func unsupported(_ message: String) -> DamaError { DamaError(.unsupported, message) }
    public static func outOfMemory(_ message: String) -> DamaError { DamaError(.outOfMemory, message) }
    public static func `internal`(_ message: String) -> DamaError { DamaError(.internal, message) }
    public static let cancelled = DamaError(.cancelled, "stopped at the request of a callback or another thread")
}
