import DamaSupport
import Glibc

/// A program that reads a response from standard input and writes one sub-sentence per line. The program and the
/// processes it starts are ended when it has answered, when it takes too long, and when the job stops.
public struct CommandWriter: SentenceWriter {
    public let name: String
    private let command: String
    private let timeout: Double
    private let slots: Slots
    /// The maximum size of an answer, in bytes.
    private static let limit = 1 << 20

    /// - Parameters:
    ///   - command: The command that `/bin/sh -c` runs.
    ///   - timeout: The time limit for one response, in seconds.
    public init(_ command: String, timeout: Double = 60, concurrency: Int = 4) throws(DamaError) {
        guard !command.isEmpty else { throw .invalidArgument("the splitter's command is empty") }
        guard timeout > 0, (1...256).contains(concurrency) else {
            throw .invalidArgument("the splitter's time-out must be positive, and its concurrency 1 to 256")
        }
        self.command = command
        self.timeout = timeout
        slots = Slots(count: concurrency)
        // A command line may contain a key, so files that name the splitter contain only its hash.
        name = "command sha256:\(SHA256.hex(of: Array(command.utf8)))"
    }

    public func write(_ response: String, stop: StopSignal) throws(DamaError) -> String {
        try slots.run(stop) { () throws(DamaError) in try answer(Array(response.utf8), stop) }
    }

    private func answer(_ input: [UInt8], _ stop: StopSignal) throws(DamaError) -> String {
        var child = try ChildProcess(command)
        let deadline = monotonicSeconds() + timeout
        var sent = 0
        var output: [UInt8] = []
        var isOpen = true
        while true {
            // Processes left by the shell may keep the output open; the answer is complete anyway.
            let hasEnded = child.hasEnded
            if isOpen { isOpen = try receive(from: child.output, into: &output) }
            if hasEnded { break }
            try stop.check()
            let left = deadline - monotonicSeconds()
            guard left > 0 else { throw .io("the splitter's command took longer than \(timeout) s") }
            // poll() ignores descriptors below 0.
            var polls = [
                pollfd(fd: isOpen ? child.output : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: child.input, events: Int16(POLLOUT), revents: 0),
            ]
            // A shell ends shortly after its output closes.
            let slice = isOpen ? Double(StopSignal.interval) : 2
            let ready = poll(&polls, nfds_t(polls.count), Int32(min(left * 1000 + 1, slice)))
            if ready < 0, errno != EINTR { throw .io("cannot wait for the splitter's command: \(describeErrno())") }
            if ready > 0, child.input >= 0, polls[1].revents != 0 {
                // If the command has ended, the host program must not receive SIGPIPE.
                let count = input[sent...].withUnsafeBytes {
                    send(child.input, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
                }
                // A program may ignore the rest of its input.
                if count > 0 { sent += count }
                if sent == input.count || (count < 0 && errno != EAGAIN && errno != EINTR) { child.closeInput() }
            }
        }
        let status = child.end()
        guard status == 0 else { throw .io("the splitter's command ended with status \(status)") }
        return String(decoding: output, as: UTF8.self)
    }

    /// Appends the available output; returns false at its end.
    private func receive(from socket: Int32, into output: inout [UInt8]) throws(DamaError) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = recv(socket, &chunk, chunk.count, Int32(MSG_DONTWAIT))
            if count == 0 { return false }
            if count < 0 {
                if errno == EINTR { continue }
                return errno == EAGAIN || errno == EWOULDBLOCK
            }
            output += chunk[..<count]
            guard output.count <= Self.limit else {
                throw .io("the splitter's command wrote more than \(Self.limit) bytes")
            }
        }
    }
}
