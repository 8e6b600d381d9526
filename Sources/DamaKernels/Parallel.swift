import DamaSupport

/// Splits independent pieces of work over threads. The result of a piece does not depend on its thread.
package enum Parallel {
    /// The meaning of `threads: 0`: every processor that this process may use.
    package static let defaultThreads = Processors.usable

    /// - Throws: ``DamaError/Code/invalidArgument`` for a negative number.
    static func resolve(_ threads: Int) throws(DamaError) -> Int {
        guard threads >= 0 else {
            throw .invalidArgument("threads is \(threads); it must be 0 (every processor) or more")
        }
        return threads == 0 ? defaultThreads : min(threads, 1024)
    }

    /// Calls `body` for every range of `pieceSize` items (the last may be shorter) of `0..<count`, on up to `threads`
    /// threads. A thread takes the next piece when it is free.
    static func forEachPiece(
        of count: Int, pieceSize: Int, threads: Int, _ body: @Sendable (Range<Int>) -> Void
    ) {
        let pieces = (count + pieceSize - 1) / pieceSize
        let workers = min(threads, pieces)
        guard workers > 1 else {
            if count > 0 { body(0..<count) }
            return
        }
        Concurrent.forEach(pieces, threads: workers) { piece in
            body(piece * pieceSize..<min(count, (piece + 1) * pieceSize))
        }
    }
}

/// A pointer shared with other threads, which write to parts that do not overlap.
struct Shared<Pointer>: @unchecked Sendable {
    let pointer: Pointer

    init(_ pointer: Pointer) { self.pointer = pointer }
}
