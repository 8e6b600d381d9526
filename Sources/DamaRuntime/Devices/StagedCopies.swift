import DamaSupport
import Synchronization

/// Copies of large memory to a device through page-locked memory: several threads read the source, whose pages may still
/// have to be found or read from a file, while the piece before is on its way. Safe for use by several threads.
final class StagedCopies: Sendable {
    /// The bytes from which on this is faster than a copy by the driver, which reads the source on one thread.
    static let least = 32 << 20
    /// The bytes of a piece.
    static let usualPiece = 16 << 20
    private static let slotCount = 3

    private struct Slots: Sendable {
        let transfers: any DeviceTransfers
        let memory: [StagingMemory]
    }

    private let piece: Int
    /// Made by the first copy.
    private let slots = Mutex<Slots?>(nil)

    init(piece: Int = usualPiece) { self.piece = max(1, piece) }

    /// The source may be reused when this returns; the device's later work sees the copy.
    func copyIn(
        _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer, on backend: any DeviceBackend
    ) throws(DamaError) {
        try slots.withLock { slots throws(DamaError) in
            let found = if let slots { slots } else { try make(backend) }
            slots = found
            do throws(DamaError) {
                try found.transfers.begin()
                for (index, start) in stride(from: 0, to: source.count, by: piece).enumerated() {
                    let slot = index % Self.slotCount
                    let part = UnsafeRawBufferPointer(rebasing: source[start...].prefix(piece))
                    try found.transfers.wait(for: slot)
                    let staged = Self.read(part, into: found.memory[slot].bytes)
                    try found.transfers.copyIn(staged, to: target + start, ticket: slot)
                }
                try found.transfers.end()
            } catch {
                found.transfers.abandon()
                throw error
            }
        }
    }

    private func make(_ backend: any DeviceBackend) throws(DamaError) -> Slots {
        var memory: [StagingMemory] = []
        for _ in 0..<Self.slotCount { memory.append(try backend.staging(piece)) }
        return Slots(transfers: try backend.transfers(tickets: Self.slotCount), memory: memory)
    }

    /// Returns the part of the target that holds the copy.
    private static func read(
        _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
    ) -> UnsafeRawBufferPointer {
        let (count, piece) = (source.count, 1 << 20)
        guard let from = source.baseAddress, let to = target.baseAddress else { return UnsafeRawBufferPointer(target) }
        nonisolated(unsafe) let (first, last) = (from, to)
        Concurrent.forEach((count + piece - 1) / piece) { number in
            let start = number * piece
            (last + start).copyMemory(from: first + start, byteCount: min(piece, count - start))
        }
        return UnsafeRawBufferPointer(start: to, count: count)
    }
}
