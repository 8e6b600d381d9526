import DamaSupport
import Glibc
import Synchronization

/// Answers of a splitter by the hash of what was asked: in memory, and in a file where one is named.
///
/// The file is JSON Lines, only ever appended to. A line that was cut short when a process ended is left out.
public final class SplitCache: Sendable {
    private let known: Mutex<[String: SplitResponse]>
    private let descriptor: Int32

    /// - Parameter path: `nil` keeps nothing beyond this object's life.
    /// - Throws: ``DamaError/Code/io`` where the file cannot be read or written.
    public init(path: String? = nil) throws(DamaError) {
        guard let path else {
            known = Mutex([:])
            descriptor = -1
            return
        }
        var answers: [String: SplitResponse] = [:]
        if Files.exists(path) {
            for line in try Files.read(path).split(separator: UInt8(ascii: "\n")) {
                guard let json = try? JSON(parsing: line), let key = json["key"]?.string,
                    let sentences = json["sentences"]?.array, let flags = json["flags"]?.array
                else { continue }
                answers[key] = SplitResponse(sentences.compactMap(\.string), flags: flags.compactMap(\.string))
            }
        }
        known = Mutex(answers)
        descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .io("cannot write \(path): \(describeErrno())") }
        // Half a line may stand at the end; what comes now must not join it.
        _ = Glibc.write(descriptor, "\n", 1)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    subscript(key: String) -> SplitResponse? { known.withLock { $0[key] } }

    func keep(_ response: SplitResponse, for key: String) throws(DamaError) {
        known.withLock { $0[key] = response }
        guard descriptor >= 0 else { return }
        let json: JSON = [
            "key": .string(key), "sentences": .array(response.subSentences.map { .string($0) }),
            "flags": .array(response.flags.map { .string($0) }),
        ]
        let line = Array(json.text.utf8) + [UInt8(ascii: "\n")]
        // One call: with O_APPEND the lines of several threads do not mix.
        guard Glibc.write(descriptor, line, line.count) == line.count else {
            throw .io("cannot write the splitter's cache: \(describeErrno())")
        }
    }
}
