/// The paths that a job over a dataset writes to, all derived from its output.
///
/// | for the output | `scores.jsonl` |
/// |---|---|
/// | rejected rows, with line and reason | `scores.rejects.jsonl` |
/// | counts, quantiles, settings; the same bytes for the same job | `scores.summary.json` |
/// | times and counts of the run that finished it (``ScoreJob`` alone) | `scores.run.json` |
/// | state of an unfinished job | the folder `scores.partial` |
/// | a page on the results (``ScoreOptions/report``) | at a path of its own |
public struct JobPaths: Equatable, Sendable {
    public let output: String
    public let rejects: String
    public let summary: String
    public let run: String?
    public let partial: String
    /// The page that the user asked for, at a path of its own.
    var page: ResultPage?
    /// Sizes and digests of results while they are renamed to their final paths.
    var placing: String { "\(partial)/placing" }

    /// - Parameters:
    ///   - output: The path of the output; the others are named after it.
    ///   - hasRun: Whether the job writes a file about the run that finished it.
    public init(output: String, hasRun: Bool = false) {
        self.output = output
        let base = Self.parts(of: output).base
        rejects = base + ".rejects.jsonl"
        summary = base + ".summary.json"
        run = hasRun ? base + ".run.json" : nil
        partial = base + ".partial"
    }

    /// The path with which the names of the files beside an output begin, and the rest of the output's path.
    static func parts(of output: String) -> (base: String, suffix: String) {
        // Compared by bytes: Swift treats canonically equivalent strings as equal, a file system does not.
        for suffix in [".jsonl", ".json", ".ndjson"] where output.utf8.count > suffix.utf8.count {
            let cut = output.utf8.index(output.utf8.endIndex, offsetBy: -suffix.utf8.count)
            guard output.utf8[cut...].elementsEqual(suffix.utf8) else { continue }
            if output.utf8[..<cut].last != UInt8(ascii: "/") { return (String(output[..<cut]), suffix) }
            break
        }
        return (output, "")
    }
}
