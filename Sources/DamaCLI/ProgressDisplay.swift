import Dama
import Glibc

/// Shows how far a job is: a bar that is drawn over itself on a terminal, a line every ten seconds elsewhere.
final class ProgressDisplay {
    private let isTerminal: Bool
    private var lastShown = -Double.infinity
    private var lastPhase: JobProgress.Phase?
    private var barIsOpen = false
    /// The last one that was told.
    private(set) var progress: JobProgress?

    init(isTerminal: Bool = Terminal.isTerminal) { self.isTerminal = isTerminal }

    func show(_ progress: JobProgress) {
        self.progress = progress
        let isNew = progress.phase != lastPhase
        let isLast = progress.phase == .computing && progress.rowsDone == progress.rowsTotal
        guard isNew || isLast || progress.seconds - lastShown >= (isTerminal ? 0.1 : 10) else { return }
        lastShown = progress.seconds
        lastPhase = progress.phase
        if isTerminal {
            Terminal.write("\r\u{1B}[K" + Self.line(progress, width: Terminal.width))
            barIsOpen = true
        } else if isNew || progress.phase == .computing {
            Terminal.write(Self.line(progress, width: nil) + "\n")
        }
    }

    /// Ends the bar's line.
    func close() {
        if barIsOpen { Terminal.write("\n") }
        barIsOpen = false
    }

    /// One line: "312/22000 rows (2 rejected), 14.2 rows/s, 25 min left", behind a bar where there is a width.
    static func line(_ progress: JobProgress, width: Int?) -> String {
        switch progress.phase {
        case .scanning: return "reading the dataset"
        case .writing: return "writing the results"
        case .computing: break
        }
        var text = "\(progress.rowsDone)/\(progress.rowsTotal) rows"
        if progress.rowsRejected > 0 { text += " (\(progress.rowsRejected) rejected)" }
        if progress.rowsPerSecond > 0 { text += ", \(short(progress.rowsPerSecond)) rows/s" }
        if let left = progress.secondsLeft, progress.rowsDone < progress.rowsTotal {
            text += ", \(duration(left)) left"
        }
        guard let width else { return text }
        let room = width - text.utf8.count - 3
        guard room >= 10, progress.rowsTotal > 0 else { return String(text.prefix(max(0, width - 1))) }
        let cells = min(room, 40)
        let full = min(cells, cells * progress.rowsDone / progress.rowsTotal)
        return "[" + String(repeating: "#", count: full) + String(repeating: ".", count: cells - full) + "] " + text
    }

    static func short(_ number: Double) -> String {
        number >= 100 ? "\(Int(number.rounded()))" : "\((number * 10).rounded() / 10)"
    }

    static func duration(_ seconds: Double) -> String {
        switch seconds {
        case ..<90: "\(Int(seconds.rounded(.up))) s"
        case ..<5400: "\(Int((seconds / 60).rounded(.up))) min"
        default: "\(short((seconds / 3600 * 10).rounded() / 10)) h"
        }
    }
}
