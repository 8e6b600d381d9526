import Dama
import Glibc

/// Shows a job's progress: a bar that is redrawn in place on a terminal, a line every ten seconds otherwise.
final class ProgressDisplay {
    private let isTerminal: Bool
    private var lastShown = -Double.infinity
    private var lastPhase: JobProgress.Phase?
    private var lastText: String?
    private var barIsOpen = false
    /// The last reported progress.
    private(set) var progress: JobProgress?

    init(isTerminal: Bool = Terminal.isTerminal) { self.isTerminal = isTerminal }

    func show(_ progress: JobProgress, prefix: String = "") {
        self.progress = progress
        let isNew = progress.phase != lastPhase
        lastPhase = progress.phase
        let isComputing = progress.phase == .computing
        show(
            prefix + Self.line(progress), done: isComputing ? progress.rowsDone : 0,
            of: isComputing ? progress.rowsTotal : 0, seconds: progress.seconds,
            isLast: isNew || isComputing && progress.rowsDone == progress.rowsTotal)
    }

    /// - Parameters:
    ///   - total: 0 for a line without a bar.
    ///   - isLast: Whether to show the line regardless of the time since the previous one.
    func show(_ text: String, done: Int, of total: Int, seconds: Double, isLast: Bool) {
        guard isLast || seconds - lastShown >= (isTerminal ? 0.1 : 10) || seconds < lastShown else { return }
        lastShown = seconds
        guard isTerminal else {
            if text != lastText { Terminal.write(text + "\n") }
            lastText = text
            return
        }
        Terminal.write("\r\u{1B}[K" + Self.bar(text, done: done, of: total, width: Terminal.width))
        barIsOpen = true
    }

    /// Ends the bar's line.
    func close() {
        if barIsOpen { Terminal.write("\n") }
        barIsOpen = false
    }

    /// "312/22000 rows (2 rejected), 14.2 rows/s, 25 min left"
    static func line(_ progress: JobProgress) -> String {
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
        return text
    }

    /// A bar followed by the text, within `width`.
    static func bar(_ text: String, done: Int, of total: Int, width: Int) -> String {
        let room = width - text.utf8.count - 3
        guard room >= 10, total > 0 else { return String(text.prefix(max(0, width - 1))) }
        let cells = min(room, 40)
        let full = max(0, min(cells, cells * done / total))
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
