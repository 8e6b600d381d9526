import DamaSupport
import Glibc

/// A program that reads a request from standard input and writes the answer to standard output. The program and the
/// processes it starts are ended when it has answered, when it takes too long, and when the job stops.
struct ChildProgram: Sendable {
    /// What the program is, in messages.
    private let name: String
    private let command: String
    private let timeout: Double
    private let slots: Slots
    /// The maximum size of an answer, in bytes.
    private static let limit = 1 << 20

    /// - Parameters:
    ///   - command: The command that `/bin/sh -c` runs.
    ///   - name: What the program is, in messages, such as "the splitter's command".
    ///   - timeout: The time limit for one answer, in seconds.
    ///   - concurrency: The most programs at once.
    init(_ command: String, name: String, timeout: Double, concurrency: Int) throws(DamaError) {
        guard !command.isEmpty else { throw .invalidArgument("\(name) is empty") }
        guard timeout > 0, timeout.isFinite else {
            throw .invalidArgument("the time limit of \(name): expected a positive number of seconds, found \(timeout)")
        }
        self.command = command
        self.name = name
        self.timeout = timeout
        slots = try Slots(concurrency: concurrency)
    }

    /// Identifies the command in files. It may contain a key, so this is only its hash.
    var digest: String { "command sha256:\(SHA256.hex(of: Array(command.utf8)))" }

    /// The program's output for one input.
    ///
    /// - Throws: ``DamaError/Code/io`` if the program fails, takes too long or writes too much;
    ///   ``DamaError/cancelled`` once `stop` is set.
    func run(_ input: [UInt8], _ stop: StopSignal) throws(DamaError) -> [UInt8] {
        try slots.run(stop) { () throws(DamaError) in try output(for: input, stop) }
    }

    private func output(for input: [UInt8], _ stop: StopSignal) throws(DamaError) -> [UInt8] {
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
            guard left > 0 else { throw .io("\(name) took longer than \(timeout) s") }
            // poll() ignores descriptors below 0.
            var polls = [
                pollfd(fd: isOpen ? child.output : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: child.input, events: Int16(POLLOUT), revents: 0),
            ]
            // A shell ends shortly after its output closes.
            let slice = isOpen ? Double(StopSignal.interval) : 2
            let ready = poll(&polls, nfds_t(polls.count), Int32(min(left * 1000 + 1, slice)))
            if ready < 0, errno != EINTR { throw .io("cannot wait for \(name): \(describeErrno())") }
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
        guard status == 0 else { throw .io("\(name) ended with status \(status)") }
        return output
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
                throw .io("\(name) wrote more than \(Self.limit) bytes")
            }
        }
    }
}
