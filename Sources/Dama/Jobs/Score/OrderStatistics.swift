import DamaSupport
import Glibc

/// Exact order statistics of a sequence too large for memory.
///
/// The order of finite doubles equals the order of their bits, after an adjustment for the sign. So the k-th smallest
/// value is found 8 bits at a time: each of eight passes over the numbers counts those that share the bits found so
/// far.
enum OrderStatistics {
    typealias Visit = (Double) -> Void

    /// The values at `ranks` (from 0) of the sorted numbers.
    ///
    /// - Parameter forEach: Calls its argument with every number, the same ones each time. There must be more numbers
    ///   than the largest rank.
    static func select(
        ranks: [Int], forEach: (Visit) throws(DamaError) -> Void
    ) throws(DamaError) -> [Double] {
        // For each rank, the bits of its value found so far, and its rank among the numbers that share them.
        var found = ranks.map { (prefix: UInt64(0), rank: $0) }
        for shift in stride(from: 56, through: 0, by: -8) {
            var counts: [UInt64: [Int]] = [:]
            for entry in found { counts[entry.prefix] = Array(repeating: 0, count: 1 << 8) }
            try forEach { number in
                let bits = orderedBits(number)
                // In Swift a shift by 64 gives 0, so in the first pass all numbers share the empty prefix.
                let prefix = bits >> UInt64(shift + 8)
                counts[prefix]?[Int(bits >> UInt64(shift) & 0xFF)] += 1
            }
            for index in found.indices {
                var rank = found[index].rank
                for (digit, count) in (counts[found[index].prefix] ?? []).enumerated() {
                    if rank < count {
                        found[index] = (found[index].prefix << 8 | UInt64(digit), rank)
                        break
                    }
                    rank -= count
                }
            }
        }
        return found.map { number(orderedBits: $0.prefix) }
    }

    /// Quantiles with linear interpolation between neighbours, numpy's default.
    static func quantiles(
        _ levels: [Double], count: Int, forEach: (Visit) throws(DamaError) -> Void
    ) throws(DamaError) -> [Double] {
        let positions = levels.map { $0 * Double(count - 1) }
        let ranks = positions.flatMap { [Int($0), min(Int($0) + 1, count - 1)] }
        let values = try select(ranks: ranks, forEach: forEach)
        return positions.enumerated().map { index, position in
            let (low, high) = (values[2 * index], values[2 * index + 1])
            return low + (high - low) * (position - position.rounded(.down))
        }
    }

    private static func orderedBits(_ number: Double) -> UInt64 {
        let bits = number.bitPattern
        return bits >> 63 == 0 ? bits | 1 << 63 : ~bits
    }

    private static func number(orderedBits bits: UInt64) -> Double {
        Double(bitPattern: bits >> 63 == 1 ? bits & ~(1 << 63) : ~bits)
    }
}

/// A file of numbers that can be read several times.
struct NumberFile: ~Copyable {
    private let file: OpenFile
    private var buffer = ByteWriter()
    private var byteCount = 0

    init(path: String) throws(DamaError) {
        // An earlier run may have left it.
        Files.remove(path)
        file = try OpenFile(creating: path)
    }

    mutating func append(_ number: Double) throws(DamaError) {
        buffer.append(number)
        if buffer.bytes.count >= 64 << 10 { try flush() }
    }

    /// Must be called after the last ``append(_:)``.
    mutating func flush() throws(DamaError) {
        try file.write(buffer.bytes, at: byteCount)
        byteCount += buffer.bytes.count
        buffer = ByteWriter()
    }

    func forEach(_ visit: (Double) -> Void) throws(DamaError) {
        var offset = 0
        while offset < byteCount {
            let bytes = try file.read(min(64 << 10, byteCount - offset), at: offset)
            guard !bytes.isEmpty, bytes.count % 8 == 0 else {
                throw .io("\(file.path) was truncated while it was in use")
            }
            bytes.withUnsafeBytes { buffer in
                for position in stride(from: 0, to: buffer.count, by: 8) {
                    let bits = buffer.load(fromByteOffset: position, as: UInt64.self)
                    visit(Double(bitPattern: UInt64(littleEndian: bits)))
                }
            }
            offset += bytes.count
        }
    }
}
