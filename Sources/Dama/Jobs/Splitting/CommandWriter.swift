import DamaSupport
import Glibc

/// A program that reads a response on its standard input and writes the sub-sentences, one on a line.
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

    public func write(_ response: String) throws(DamaError) -> String {
        try slots.run { () throws(DamaError) in try answer(Array(response.utf8)) }
    }

    private func answer(_ input: [UInt8]) throws(DamaError) -> String {
        var child = try Child(command)
        defer { child.finish() }
        let deadline = monotonicSeconds() + timeout
        var sent = 0
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            var polls = [
                pollfd(fd: child.output, events: Int16(POLLIN), revents: 0),
                pollfd(fd: child.input, events: Int16(POLLOUT), revents: 0),
            ]
            let left = deadline - monotonicSeconds()
            guard left > 0 else { throw .io("the splitter's command took longer than \(timeout) s: \(command)") }
            let ready = poll(&polls, nfds_t(child.input < 0 ? 1 : 2), Int32(min(left * 1000 + 1, 1e6)))
            if ready < 0, errno != EINTR { throw .io("cannot wait for the splitter's command: \(describeErrno())") }
            guard ready > 0 else { continue }
            if child.input >= 0, polls[1].revents != 0 {
                // The host program must not hear of it by a signal when the command is gone.
                let count = input[sent...].withUnsafeBytes {
                    send(child.input, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
                }
                // A program that does not care for the rest of its input is none of our business.
                if count > 0 { sent += count }
                if sent == input.count || (count < 0 && errno != EAGAIN && errno != EINTR) { child.closeInput() }
            }
            if polls[0].revents != 0 {
                let count = Glibc.read(child.output, &chunk, chunk.count)
                if count == 0 { break }
                if count > 0 { output += chunk[..<count] }
                guard output.count <= Self.limit else {
                    throw .io("the splitter's command wrote more than \(Self.limit) bytes: \(command)")
                }
            }
        }
        let status = child.wait()
        guard status == 0 else { throw .io("the splitter's command ended with status \(status): \(command)") }
        return String(decoding: output, as: UTF8.self)
    }

    /// A shell with pipes to its standard input and output.
    private struct Child {
        private(set) var input: Int32
        let output: Int32
        private let process: pid_t
        private var isReaped = false

        init(_ command: String) throws(DamaError) {
            var toChild: [Int32] = [-1, -1]
            var fromChild: [Int32] = [-1, -1]
            // Sockets and not pipes: writing to one can be told not to raise SIGPIPE, and not to wait.
            let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
            guard socketpair(AF_UNIX, kind, 0, &toChild) == 0, socketpair(AF_UNIX, kind, 0, &fromChild) == 0 else {
                for end in toChild where end >= 0 { close(end) }
                throw .io("cannot make a socket pair: \(describeErrno())")
            }
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            posix_spawn_file_actions_adddup2(&actions, toChild[0], STDIN_FILENO)
            posix_spawn_file_actions_adddup2(&actions, fromChild[1], STDOUT_FILENO)
            var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sh"), strdup("-c"), strdup(command), nil]
            defer { arguments.forEach { free($0) } }
            var process: pid_t = 0
            let code = posix_spawn(&process, "/bin/sh", &actions, nil, &arguments, environ)
            close(toChild[0])
            close(fromChild[1])
            input = toChild[1]
            output = fromChild[0]
            self.process = process
            guard code == 0 else {
                close(input)
                close(output)
                throw .io("cannot start /bin/sh: error \(code)")
            }
        }

        mutating func closeInput() {
            close(input)
            input = -1
        }

        /// The exit status; 128 and the signal's number for a program that was ended by one.
        mutating func wait() -> Int32 {
            var status: Int32 = 0
            while waitpid(process, &status, 0) < 0, errno == EINTR {}
            isReaped = true
            return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
        }

        mutating func finish() {
            if input >= 0 { closeInput() }
            close(output)
            guard !isReaped else { return }
            kill(process, SIGKILL)
            _ = wait()
        }
    }
}
