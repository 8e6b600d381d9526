import ArgumentParser
import Dama

/// Reports a dataset job that failed or was stopped, and returns the exit code.
enum JobFailure {
    static func exit(_ command: String, _ error: DamaError, _ progress: JobProgress?, maxBad: Int?) -> ExitCode {
        if error.code == .cancelled, let number = Interruption.signalNumber {
            let done = progress.map { "\($0.rowsDone) of \($0.rowsTotal) rows are done" } ?? "no work is lost"
            Terminal.write("stopped: \(done); run the same command again to resume\n")
            return ExitCode(128 + number)
        }
        Terminal.write("dama \(command): \(error.message)\n")
        let advice = ["restart the job", "job is restarted"]
        if error.code == .invalidArgument, advice.contains(where: { error.message.contains($0) }) {
            Terminal.write("(--restart starts over and replaces the files of an earlier job)\n")
        }
        if let maxBad, let progress, progress.rowsRejected > maxBad { return ExitCode(3) }
        return .failure
    }
}
