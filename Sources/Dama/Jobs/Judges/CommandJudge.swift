import DamaEvaluation
import DamaSupport

/// A judge that is a program: it reads the request as one JSON object from standard input, and writes its answer's text.
///
/// The object is `{"messages": [{"role", "content"}, …], "temperature", "top_p", "max_tokens", "run", "attempt"}`. Line
/// breaks at the end of the output are not part of the answer. The program and the processes it starts are ended when
/// it has answered, when it takes too long, and when the job stops.
public struct CommandJudge: Judge {
    public let name: String
    private let program: ChildProgram

    /// - Parameters:
    ///   - command: The command that `/bin/sh -c` runs.
    ///   - timeout: The time limit for one answer, in seconds.
    ///   - concurrency: The most programs at once.
    public init(_ command: String, timeout: Double = 60, concurrency: Int = 4) throws(DamaError) {
        program = try ChildProgram(command, name: "the judge's command", timeout: timeout, concurrency: concurrency)
        name = program.digest
    }

    public func answer(_ request: JudgeRequest, stop: StopSignal) throws(DamaError) -> JudgeAnswer {
        let messages = request.messages.map { message -> JSON in
            ["role": .string(message.role), "content": .string(message.content)]
        }
        let json: JSON = [
            "messages": .array(messages), "temperature": .double(request.temperature), "top_p": .double(request.topP),
            "max_tokens": .int(Int64(request.maximumTokens)), "run": .int(Int64(request.run)),
            "attempt": .int(Int64(request.attempt)),
        ]
        var output = try program.run(Array("\(json.text)\n".utf8), stop)
        while let last = output.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") { output.removeLast() }
        return JudgeAnswer(text: String(decoding: output, as: UTF8.self))
    }
}
