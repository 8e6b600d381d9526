import DamaKernels
import DamaRuntime
import DamaSupport
import Synchronization

/// AdamW on the host for parameters on a device, piece by piece: while the host updates one piece, the gradients of the
/// next ones come from the device, and the new values of the last ones go there in the device's type.
///
/// The numbers are those of an update of each parameter at once. Safe for use by several threads, one after the other.
final class OffloadPipeline: Sendable {
    /// The memory between host and device has this many slots, each for the gradient and the new values of a piece.
    static let slotCount = 4
    /// The numbers of a piece: 64 MB, so that a copy and an update take longer than what is done once for each piece.
    static let usualPiece = 16 << 20

    private let backend: any DeviceBackend
    private let type: ElementType
    private let pieceSize: Int
    /// Made by the first use.
    private let staging = Mutex<Staging?>(nil)

    /// - Parameters:
    ///   - type: that of the values on the device.
    ///   - piece: numbers of a piece. AdamW rounds numbers alike wherever a multiple of 16 of them is cut off, so it is
    ///     rounded up to one.
    init(_ backend: any DeviceBackend, _ type: ElementType, piece: Int) {
        (self.backend, self.type) = (backend, type)
        pieceSize = (max(1, min(piece, 1 << 30)) + 15) / 16 * 16
    }

    /// The host memory between host and device, for parameters of up to `largest` numbers.
    static func byteCount(largest: Int, _ type: ElementType, piece: Int = usualPiece) -> Int {
        slotCount * min(piece, largest) * (MemoryLayout<Float>.size + type.size)
    }

    /// The bytes of that memory now.
    var byteCount: Int {
        staging.withLock { staging in
            staging.map { Self.byteCount(largest: $0.count, type, piece: pieceSize) } ?? 0
        }
    }

    // MARK: Using

    /// One step of AdamW for each of the parameters. The device's later work sees the new values.
    ///
    /// - Parameters:
    ///   - parameters: numbers with ``DeviceNumbers/kept``, and the optimizer for them.
    ///   - step: t ≥ 1.
    ///   - threads: 0 for every processor.
    /// - Throws: If a copy fails; some parameters are then updated, and others not.
    func update(
        _ parameters: [(numbers: DeviceNumbers, optimizer: AdamW)], step: UInt64, threads: Int
    ) throws(DamaError) {
        var pieces: [Piece] = []
        for (numbers, optimizer) in parameters {
            guard let gradient = try numbers.gradient.address else { continue }
            pieces += try self.pieces(of: numbers, .update(optimizer, UnsafeRawPointer(gradient)))
        }
        try run(pieces, step: step, threads: threads)
    }

    /// Copies the values that the host keeps to the device, in its type.
    func publish(_ numbers: DeviceNumbers) throws(DamaError) {
        try run(pieces(of: numbers, .publish), step: 1, threads: 0)
    }

    // MARK: Pieces

    private enum Work {
        /// With the gradient on the device.
        case update(AdamW, UnsafeRawPointer)
        case publish
    }

    /// A range of a parameter.
    private struct Piece {
        let kept: KeptNumbers
        let work: Work
        /// The values on the device, all of the parameter's.
        let working: UnsafeMutableRawPointer
        let range: Range<Int>
    }

    private func pieces(of numbers: DeviceNumbers, _ work: Work) throws(DamaError) -> [Piece] {
        guard let kept = numbers.kept else { throw .internal("the host was to update what a device keeps") }
        let count = numbers.working.count
        guard count > 0, let working = try numbers.working.address else { return [] }
        return stride(from: 0, to: count, by: pieceSize).map { start in
            Piece(kept: kept, work: work, working: working, range: start..<min(count, start + pieceSize))
        }
    }

    /// The memory between host and device, and the copies from and to it.
    private final class Staging: Sendable {
        let transfers: any DeviceTransfers
        /// Numbers of a slot.
        let count: Int
        let incoming: [StagingMemory]
        let outgoing: [StagingMemory]

        init(_ backend: any DeviceBackend, _ type: ElementType, count: Int) throws(DamaError) {
            func slots(_ size: Int) throws(DamaError) -> [StagingMemory] {
                var slots: [StagingMemory] = []
                for _ in 0..<slotCount { slots.append(try backend.staging(count * size)) }
                return slots
            }
            self.count = count
            // A ticket for each slot's gradient, then one for each slot's values.
            transfers = try backend.transfers(tickets: 2 * slotCount)
            incoming = try slots(MemoryLayout<Float>.size)
            outgoing = try slots(type.size)
        }

        deinit { transfers.abandon() }
    }

    private func run(_ pieces: [Piece], step: UInt64, threads: Int) throws(DamaError) {
        let longest = pieces.reduce(0) { max($0, $1.range.count) }
        guard longest > 0 else { return }
        try staging.withLock { staging throws(DamaError) in
            if staging.map({ $0.count < longest }) ?? true {
                staging = nil
                staging = try Staging(backend, type, count: longest)
            }
            guard let slots = staging else { return }
            do throws(DamaError) {
                try self.run(pieces, slots, step: step, threads: threads)
            } catch {
                slots.transfers.abandon()
                throw error
            }
        }
    }

    private func run(_ pieces: [Piece], _ slots: Staging, step: UInt64, threads: Int) throws(DamaError) {
        let count = Self.slotCount
        try slots.transfers.begin()
        for (slot, piece) in pieces.prefix(count).enumerated() { try fetch(piece, slots, slot) }
        for (index, piece) in pieces.enumerated() {
            let slot = index % count
            // The gradient is here, and the values of the slot's last piece are on the device.
            try slots.transfers.wait(for: slot)
            try slots.transfers.wait(for: count + slot)
            try compute(piece, slots, slot, step: step, threads: threads)
            let bytes = slots.outgoing[slot].bytes.prefix(piece.range.count * type.size)
            try slots.transfers.copyIn(
                UnsafeRawBufferPointer(rebasing: bytes), to: piece.working + piece.range.lowerBound * type.size,
                ticket: count + slot)
            if index + count < pieces.count { try fetch(pieces[index + count], slots, slot) }
        }
        try slots.transfers.end()
    }

    /// Starts the copy of a piece's gradient.
    private func fetch(_ piece: Piece, _ slots: Staging, _ slot: Int) throws(DamaError) {
        guard case .update(_, let gradient) = piece.work else { return }
        let size = MemoryLayout<Float>.size
        try slots.transfers.copyOut(
            gradient + piece.range.lowerBound * size,
            to: UnsafeMutableRawBufferPointer(rebasing: slots.incoming[slot].bytes.prefix(piece.range.count * size)),
            ticket: slot)
    }

    /// Makes the new values of a piece in the slot's memory.
    private func compute(
        _ piece: Piece, _ slots: Staging, _ slot: Int, step: UInt64, threads: Int
    ) throws(DamaError) {
        guard let value = piece.kept.value.elements.baseAddress,
            let first = piece.kept.firstMoment.elements.baseAddress,
            let second = piece.kept.secondMoment.elements.baseAddress,
            let incoming = slots.incoming[slot].bytes.baseAddress,
            let outgoing = slots.outgoing[slot].bytes.baseAddress
        else { return }
        let (start, count) = (piece.range.lowerBound, piece.range.count)
        let rounded = try RoundedNumbers(outgoing, type)
        switch piece.work {
        case .update(let optimizer, _):
            try optimizer.update(
                step: step, parameters: value + start,
                gradients: UnsafePointer(incoming.assumingMemoryBound(to: Float.self)),
                firstMoments: first + start, secondMoments: second + start, rounded: rounded, count: count,
                threads: threads)
        case .publish: try rounded.write(value + start, count: count, threads: threads)
        }
    }
}
