/// Where a job over a dataset writes, all named after its output.
///
/// | for the output | `scores.jsonl` |
/// |---|---|
/// | rows left out, with line and reason | `scores.rejects.jsonl` |
/// | counts, quantiles, settings; the same bytes for the same job | `scores.summary.json` |
/// | times and counts of the run that finished it | `scores.run.json` |
/// | while it is unfinished | the folder `scores.partial` |
public struct JobPaths: Equatable, Sendable {
    public let output: String
    public let rejects: String
    public let summary: String
    public let run: String
    public let partial: String

    public init(output: String) {
        self.output = output
        var base = output
        for suffix in [".jsonl", ".json", ".ndjson"] where base.hasSuffix(suffix) {
            let shorter = String(base.dropLast(suffix.count))
            if !shorter.isEmpty && !shorter.hasSuffix("/") { base = shorter }
            break
        }
        rejects = base + ".rejects.jsonl"
        summary = base + ".summary.json"
        run = base + ".run.json"
        partial = base + ".partial"
    }
}
