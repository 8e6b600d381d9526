import DamaSupport

/// A program that reads a response from standard input and writes one sub-sentence per line. The program and the
/// processes it starts are ended when it has answered, when it takes too long, and when the job stops.
public struct CommandWriter: SentenceWriter {
    public let name: String
    private let program: ChildProgram

    /// - Parameters:
    ///   - command: The command that `/bin/sh -c` runs.
    ///   - timeout: The time limit for one response, in seconds.
    ///   - concurrency: The most commands at once.
    public init(_ command: String, timeout: Double = 60, concurrency: Int = 4) throws(DamaError) {
        program = try ChildProgram(
            command, name: "the splitter's command", timeout: timeout, concurrency: concurrency)
        name = program.digest
    }

    public func write(_ response: String, stop: StopSignal) throws(DamaError) -> String {
        String(decoding: try program.run(Array(response.utf8), stop), as: UTF8.self)
    }
}
