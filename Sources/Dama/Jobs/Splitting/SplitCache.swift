import DamaSupport
import Synchronization

/// Answers of a splitter by the hash of what was asked: in memory, and in a file where one is named.
///
/// The file is JSON Lines, only ever appended to. A line that was cut short when a process ended is left out.
public final class SplitCache: Sendable {
    private let known: Mutex<[String: SplitResponse]>
    /// `nil` where nothing is kept beyond this object's life.
    private let file: OpenFile?

    /// - Parameter path: `nil` keeps nothing beyond this object's life.
    /// - Throws: ``DamaError/Code/io`` where the file cannot be read or written; ``DamaError/Code/invalidArgument`` where it
    ///   is something else than such a cache.
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
                // A line that begins like ours, or is empty space, was cut short when a process or the power ended.
                hasOthers = true
            }
        }
        guard !answers.isEmpty || !hasOthers else {
            throw .invalidArgument("\(path) is no cache of a splitter's answers, and nothing is added to it")
        }
        known = Mutex(answers)
        let file = try OpenFile(appending: path)
        // Half a line may stand at the end; what comes now must not join it.
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
