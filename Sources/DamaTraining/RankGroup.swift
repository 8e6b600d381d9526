import DamaSupport

/// The processes that train one model together, a rank each, with the same model, options and data.
///
/// One function joins them: the sum of numbers over all ranks, as `all_reduce` of MPI, NCCL and torch.distributed. Every
/// rank calls it with equally many numbers, in the same order of calls, and gets the same bits back. Not for use by two
/// threads at the same time.
public final class RankGroup {
    /// From 0.
    public let rank: Int
    public let count: Int
    private let sum: (Numbers) throws(DamaError) -> Void
    /// Whether all ranks know that one has failed, or cannot be reached.
    package private(set) var hasFailed = false

    /// Memory in which numbers are replaced by their sums over all ranks.
    public enum Numbers {
        case float64(UnsafeMutableBufferPointer<Double>)
        case float32(UnsafeMutableBufferPointer<Float>)
        /// `count` float32 numbers in the memory of the CUDA device `ordinal`. Work of the device that wrote them, and that
        /// reads them later, is ordered with the default stream.
        case device(UnsafeMutableRawPointer, count: Int, ordinal: Int32)
    }

    /// A single process.
    public init() {
        (rank, count) = (0, 1)
        sum = { _ throws(DamaError) in }
    }

    /// - Parameters:
    ///   - rank: This process's, from 0 to `count` − 1.
    ///   - sum: Replaces numbers by their sums over all ranks.
    /// - Throws: ``DamaError/Code/invalidArgument`` for a rank that does not exist.
    public init(
        rank: Int, of count: Int, sum: @escaping (Numbers) throws(DamaError) -> Void
    ) throws(DamaError) {
        guard (1...Self.limit).contains(count) else {
            throw .invalidArgument("there are \(count) ranks; expected 1 to \(Self.limit)")
        }
        guard (0..<count).contains(rank) else {
            throw .invalidArgument("the rank is \(rank) of \(count); ranks count from 0, so expected 0 to \(count - 1)")
        }
        self.rank = rank
        self.count = count
        self.sum = sum
    }

    private static let limit = 1 << 16

    /// Whether this rank writes what all share.
    package var isFirst: Bool { rank == 0 }

    // MARK: Shares

    /// The positions of this rank's part of `total` things: every `count`-th, so that parts differ by one at most.
    public func share(of total: Int) -> [Int] { Self.share(of: total, rank: rank, count: count) }

    package static func share(of total: Int, rank: Int, count: Int) -> [Int] {
        Array(stride(from: rank, to: total, by: count))
    }

    // MARK: Sums

    /// Replaces numbers by their sums over all ranks.
    ///
    /// - Throws: What the caller's function throws; the group is of no use then.
    func total(_ numbers: Numbers) throws(DamaError) {
        guard count > 1 else { return }
        do throws(DamaError) {
            try sum(numbers)
        } catch {
            hasFailed = true
            throw error
        }
    }

    func total(_ numbers: inout [Double]) throws(DamaError) {
        guard count > 1 else { return }
        try numbers.withUnsafeMutableBufferPointer { buffer throws(DamaError) in try total(.float64(buffer)) }
    }

    /// The first rank's number, on all ranks.
    package func first(_ number: Double) throws(DamaError) -> Double {
        var numbers = [isFirst ? number : 0]
        try total(&numbers)
        return numbers[0]
    }

    /// One number of each rank, on all ranks.
    package func each(_ number: Double) throws(DamaError) -> [Double] {
        var numbers = Array(repeating: 0.0, count: count)
        numbers[rank] = number
        try total(&numbers)
        return numbers
    }

    /// The rows of numbers of all ranks, each at its position; this rank's are those of its ``share(of:)``.
    ///
    /// - Parameter width: the length of every row.
    func gathered(_ rows: [[Double]], width: Int, of total: Int) throws(DamaError) -> [[Double]] {
        guard count > 1 else { return rows }
        var numbers = Array(repeating: 0.0, count: total * width)
        for (position, row) in zip(share(of: total), rows) {
            numbers.replaceSubrange(position * width..<(position + 1) * width, with: row)
        }
        try self.total(&numbers)
        return (0..<total).map { Array(numbers[$0 * width..<($0 + 1) * width]) }
    }

    // MARK: Failures

    /// Runs what one rank can fail at and another not; throws on every rank if it throws on one.
    ///
    /// Without it the other ranks would wait for sums that the failed one never adds to.
    package func agreeing<Result>(
        _ body: () throws(DamaError) -> Result
    ) throws(DamaError) -> Result {
        let found = Swift.Result<Result, DamaError>(catching: body)
        guard count > 1 else { return try found.get() }
        var failed = 0.0
        if case .failure(let error) = found { failed = error.code == .cancelled ? 2 : 1 }
        let all = try each(failed)
        guard let other = all.firstIndex(where: { $0 != 0 }) else { return try found.get() }
        hasFailed = true
        _ = try found.get()
        let what = all[other] == 2 ? "was stopped" : "failed, and its own error says why"
        throw DamaError(.cancelled, "rank \(other) of \(count) \(what); rank \(rank) stops too")
    }

    /// Checks that all ranks have the same text.
    ///
    /// - Parameter difference: What to say of a rank that has another: "has other options".
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the first such rank, on all ranks.
    package func requireSame(_ text: String, _ difference: String) throws(DamaError) {
        guard count > 1 else { return }
        // 48 bits, which a float64 holds exactly.
        let bits = Int(SHA256.hex(of: text.utf8).prefix(12), radix: 16) ?? 0
        let all = try each(Double(bits))
        guard let other = all.firstIndex(where: { $0 != all[0] }) else { return }
        throw .invalidArgument("rank \(other) of \(count), compared with rank 0, \(difference)")
    }

    /// Tells the other ranks, which wait at their next ``agreeing(_:)``, that this one has failed.
    package func fail(with error: DamaError) {
        guard !hasFailed else { return }
        _ = try? agreeing { () throws(DamaError) -> Void in throw error }
    }
}
