import DamaSupport
import Glibc

/// A shell with sockets as standard input and output, in its own process group. The group ends with this value.
struct ChildProcess: ~Copyable {
    /// −1 once closed.
    private(set) var input: Int32
    let output: Int32
    private let process: pid_t
    private var isReaped = false

    /// - Parameter command: The command that `/bin/sh -c` runs.
    init(_ command: String) throws(DamaError) {
        var toChild: [Int32] = [-1, -1]
        var fromChild: [Int32] = [-1, -1]
        // Sockets instead of pipes: a write to a socket can suppress SIGPIPE and need not block.
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
        // A process group, so that processes started by the shell end with it. This library's threads block signals;
        // the command must receive them.
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
        // The kill precedes the reaping: until then no other group can have this number.
        kill(-process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
    }

    mutating func closeInput() {
        if input >= 0 { close(input) }
        input = -1
    }

    /// Whether the shell has ended; processes it started may still run.
    var hasEnded: Bool {
        var information = siginfo_t()
        return waitid(P_PID, id_t(process), &information, WEXITED | WNOHANG | WNOWAIT) != 0 || information.si_signo != 0
    }

    /// The exit status of a shell that has ended; 128 plus the signal's number if a signal ended it. Kills the rest of
    /// its process group.
    mutating func end() -> Int32 {
        kill(-process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            // If the host ignores SIGCHLD, the status is lost, and only the output can be judged.
            if errno != EINTR {
                status = 0
                break
            }
        }
        isReaped = true
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
    }
}
