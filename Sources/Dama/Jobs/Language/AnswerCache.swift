import DamaSupport
import Synchronization

/// A language model's answers by the hash of the request: in memory, and in a file if one is given.
///
/// The file is append-only JSON Lines, `{"key": …, …}`. A line that was cut short when a process ended is ignored.
final class AnswerCache<Answer: CachedAnswer>: Sendable {
    private let known: Mutex<[String: Answer]>
    /// `nil` if answers are kept in memory only.
    private let file: OpenFile?

    /// - Parameter path: The cache file; `nil` keeps answers in memory only.
    /// - Throws: ``DamaError/Code/io`` if the file cannot be read or written; ``DamaError/Code/invalidArgument`` if it
    ///   is not such a cache.
    init(path: String?) throws(DamaError) {
        guard let path else {
            known = Mutex([:])
            file = nil
            return
        }
        var answers: [String: Answer] = [:]
        var hasOthers = false
        for line in Files.isThere(path) ? try Files.read(path).split(separator: UInt8(ascii: "\n")) : [] {
            let json = try? JSON(parsing: line)
            if let json, let key = json["key"]?.string, let answer = Answer(json) {
                answers[key] = answer
            } else if json != nil || !line.starts(with: Self.lineStart.utf8), line.contains(where: { $0 != 0 }) {
                // A line that begins like one of a cache, or holds only zeros, was cut short by the end of a process
                // or a power failure. One that is whole is of another cache.
                hasOthers = true
            }
        }
        guard !answers.isEmpty || !hasOthers else {
            throw .invalidArgument("\(path) is not a cache of \(Answer.kind), and is not changed")
        }
        known = Mutex(answers)
        let file = try OpenFile(appending: path)
        // The file may end with an incomplete line; new lines must not be joined to it.
        if file.size > 0 { try file.append([UInt8(ascii: "\n")]) }
        self.file = consume file
    }

    private static var lineStart: String { "{\"key\":" }

    subscript(key: String) -> Answer? { known.withLock { $0[key] } }

    func keep(_ answer: Answer, for key: String) throws(DamaError) {
        known.withLock { $0[key] = answer }
        guard file != nil else { return }
        let json = JSON.object(JSONObject([("key", .string(key))] + answer.members))
        try file?.append(Array("\(json.text)\n".utf8))
    }
}

/// An answer that ``AnswerCache`` keeps.
protocol CachedAnswer: Sendable {
    /// The answers' kind in messages, such as "a splitter's answers".
    static var kind: String { get }

    /// Reads ``members``; `nil` if they are not such an answer.
    init?(_ json: JSON)

    /// The members of a line of the file, besides the key.
    var members: [JSONObject.Member] { get }
}
