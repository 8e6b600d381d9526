import DamaSupport
import Glibc

/// A program that reads a response on its standard input and writes the sub-sentences, one on a line. It and what it
/// starts are ended when it has answered, takes too long or is no longer wanted.
public struct CommandWriter: SentenceWriter {
    public let name: String
    private let command: String
    private let timeout: Double
    private let slots: Slots
    /// The most bytes of an answer.
    private static let limit = 1 << 20

    /// - Parameters:
    ///   - command: what `/bin/sh -c` runs.
    ///   - timeout: seconds for one response.
    public init(_ command: String, timeout: Double = 60, concurrency: Int = 4) throws(DamaError) {
        guard !command.isEmpty else { throw .invalidArgument("the splitter's command is empty") }
        guard timeout > 0, (1...256).contains(concurrency) else {
            throw .invalidArgument("the splitter's time-out must be positive, and 1 to 256 may run at once")
        }
        self.command = command
        self.timeout = timeout
        slots = Slots(count: concurrency)
        // A command line may hold a key, so files that name the splitter hold its hash.
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
            // What the shell has left running may keep the output open; the answer is complete all the same.
            let hasEnded = child.hasEnded
            if isOpen { isOpen = try receive(from: child.output, into: &output) }
            if hasEnded { break }
            try stop.check()
            let left = deadline - monotonicSeconds()
            guard left > 0 else { throw .io("the splitter's command took longer than \(timeout) s") }
            // poll() passes over descriptors below 0.
            var polls = [
                pollfd(fd: isOpen ? child.output : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: child.input, events: Int16(POLLOUT), revents: 0),
            ]
            // A shell ends right after its output does.
            let slice = isOpen ? Double(StopSignal.interval) : 2
            let ready = poll(&polls, nfds_t(polls.count), Int32(min(left * 1000 + 1, slice)))
            if ready < 0, errno != EINTR { throw .io("cannot wait for the splitter's command: \(describeErrno())") }
            if ready > 0, child.input >= 0, polls[1].revents != 0 {
                // The host program must not hear of it by a signal when the command is gone.
                let count = input[sent...].withUnsafeBytes {
                    send(child.input, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
                }
                // A program that does not care for the rest of its input is none of our business.
                if count > 0 { sent += count }
                if sent == input.count || (count < 0 && errno != EAGAIN && errno != EINTR) { child.closeInput() }
            }
        }
        let status = child.end()
        guard status == 0 else { throw .io("the splitter's command ended with status \(status)") }
        return String(decoding: output, as: UTF8.self)
    }

    /// Takes what has come so far; false at its end.
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
