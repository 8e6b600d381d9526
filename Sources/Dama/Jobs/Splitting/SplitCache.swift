import DamaSupport
import Synchronization

/// A splitter's answers by the hash of the request: in memory, and in a file if one is given.
///
/// The file is append-only JSON Lines. A line that was cut short when a process ended is ignored.
public final class SplitCache: Sendable {
    private let known: Mutex<[String: SplitResponse]>
    /// `nil` if answers are kept in memory only.
    private let file: OpenFile?

    /// - Parameter path: The cache file; `nil` keeps answers in memory only.
    /// - Throws: ``DamaError/Code/io`` if the file cannot be read or written; ``DamaError/Code/invalidArgument`` if it
    ///   is not such a cache.
    public init(path: String? = nil) throws(DamaError) {
        guard let path else {
            known = Mutex([:])
            file = nil
            return
        }
        var answers: [String: SplitResponse] = [:]
        var hasOthers = false
        for line in Files.isThere(path) ? try Files.read(path).split(separator: UInt8(ascii: "\n")) : [] {
            if let json = try? JSON(parsing: line), let key = json["key"]?.string,
                let sentences = json["sentences"]?.array, let flags = json["flags"]?.array
            {
                answers[key] = SplitResponse(sentences.compactMap(\.string), flags: flags.compactMap(\.string))
            } else if !line.starts(with: Self.lineStart.utf8), line.contains(where: { $0 != 0 }) {
                // A line that begins like one of this cache, or holds only zeros, was cut short by the end of a process
                // or a power failure.
                hasOthers = true
            }
        }
        guard !answers.isEmpty || !hasOthers else {
            throw .invalidArgument("\(path) is not a cache of a splitter's answers, and is not changed")
        }
        known = Mutex(answers)
        let file = try OpenFile(appending: path)
        // The file may end with an incomplete line; new lines must not be joined to it.
        if file.size > 0 { try file.append([UInt8(ascii: "\n")]) }
        self.file = consume file
    }

    private static let lineStart = "{\"key\":"

    subscript(key: String) -> SplitResponse? { known.withLock { $0[key] } }

    func keep(_ response: SplitResponse, for key: String) throws(DamaError) {
        known.withLock { $0[key] = response }
        guard file != nil else { return }
        let json: JSON = [
            "key": .string(key), "sentences": .array(response.subSentences.map { .string($0) }),
            "flags": .array(response.flags.map { .string($0) }),
        ]
        try file?.append(Array("\(json.text)\n".utf8))
    }
}
