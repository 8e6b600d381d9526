import DamaSupport
@preconcurrency import Glibc

/// The standard output of a command. A full disk or a closed pipe is an error.
package enum StandardOutput {
    /// Writes `text` without buffering.
    ///
    /// - Throws: ``DamaError/Code/io`` if it cannot be written.
    package static func write(_ text: String) throws(DamaError) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(1, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw .io("cannot write standard output: \(describeErrno())") }
            bytes = bytes.dropFirst(count)
        }
    }

    package static func writeLine(_ text: String) throws(DamaError) { try write(text + "\n") }

    /// Makes the process exit with status 1 if text printed through stdio, such as a help page, could not be written.
    /// stdio itself finds out only when the process ends, and reports nothing.
    package static func checkAtExit() {
        atexit {
            guard fflush(stdout) != 0 || ferror(stdout) != 0 else { return }
            let text = Array("cannot write standard output: \(describeErrno())\n".utf8)
            _ = Glibc.write(2, text, text.count)
            _exit(1)
        }
    }
}
