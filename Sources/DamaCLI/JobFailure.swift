import ArgumentParser
import Dama

/// How a job over a dataset that did not come to its end is told to the user, and to the shell.
enum JobFailure {
    static func exit(_ command: String, _ error: DamaError, _ progress: JobProgress?, maxBad: Int?) -> ExitCode {
        if error.code == .cancelled, let number = Interruption.signalNumber {
            let done = progress.map { "\($0.rowsDone) of \($0.rowsTotal) rows are done" } ?? "nothing is lost"
            Terminal.write("stopped: \(done); the same command goes on from there\n")
            return ExitCode(128 + number)
        }
        Terminal.write("dama \(command): \(error.message)\n")
        if error.code == .invalidArgument, error.message.contains("restart") {
            Terminal.write("(--restart begins again and replaces what an earlier job wrote)\n")
        }
        if let maxBad, let progress, progress.rowsRejected > maxBad { return ExitCode(3) }
        return .failure
    }
}
