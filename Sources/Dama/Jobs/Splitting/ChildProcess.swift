import DamaSupport
import Glibc

/// A shell with sockets to its standard input and output, in a process group of its own, which ends with it.
struct ChildProcess: ~Copyable {
    /// −1 once it is closed.
    private(set) var input: Int32
    let output: Int32
    private let process: pid_t
    private var isReaped = false

    /// - Parameter command: what `/bin/sh -c` runs.
    init(_ command: String) throws(DamaError) {
        var toChild: [Int32] = [-1, -1]
        var fromChild: [Int32] = [-1, -1]
        // Sockets and not pipes: writing to one can be told not to raise SIGPIPE, and not to wait.
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &toChild) == 0, socketpair(AF_UNIX, kind, 0, &fromChild) == 0 else {
            let reason = describeErrno()
            for end in toChild where end >= 0 { close(end) }
            throw .io("cannot make a socket pair: \(reason)")
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, toChild[0], STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, fromChild[1], STDOUT_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group, so that what the shell starts is ended with it. Our threads hear no signals; the command is to.
        posix_spawnattr_setpgroup(&attributes, 0)
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sh"), strdup("-c"), strdup(command), nil]
        defer { arguments.forEach { free($0) } }
        var process: pid_t = 0
        let code = posix_spawn(&process, "/bin/sh", &actions, &attributes, &arguments, environ)
        close(toChild[0])
        close(fromChild[1])
        guard code == 0 else {
            close(toChild[1])
            close(fromChild[0])
            throw .io("cannot start /bin/sh: error \(code)")
        }
        input = toChild[1]
        output = fromChild[0]
        self.process = process
    }

    deinit {
        if input >= 0 { close(input) }
        close(output)
        guard !isReaped else { return }
        // Before it is reaped: until then no other group can have its number.
        kill(-process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
    }

    mutating func closeInput() {
        if input >= 0 { close(input) }
        input = -1
    }

    /// Whether the shell has ended; what it started may run on.
    var hasEnded: Bool {
        var information = siginfo_t()
        return waitid(P_PID, id_t(process), &information, WEXITED | WNOHANG | WNOWAIT) != 0 || information.si_signo != 0
    }

    /// The exit status of a shell that has ended, 128 and the signal's number where a signal ended it. What is left of
    /// its group is ended.
    mutating func end() -> Int32 {
        kill(-process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            // A host that ignores SIGCHLD takes the status away; the output is all there is to judge by then.
            if errno != EINTR {
                status = 0
                break
            }
        }
        isReaped = true
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
    }
}
