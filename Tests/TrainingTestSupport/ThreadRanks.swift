import DamaSupport
import DamaTraining
import Foundation

/// Ranks that are threads of this process, and the sums between them.
package final class ThreadRanks: @unchecked Sendable {
    package let count: Int
    private let condition = NSCondition()
    private var given: [Int: [Double]] = [:]
    private var sums: [Double] = []
    private var round = 0
    private var isBroken = false
    /// How many sums were formed.
    package private(set) var rounds = 0

    package init(_ count: Int) { self.count = count }

    /// The results of `body` on all ranks.
    package func run<Value>(
        _ body: @escaping @Sendable (RankGroup) throws -> Value
    ) -> [Result<Value, any Error>] {
        let found = Found<Value>(count)
        let done = DispatchGroup()
        for rank in 0..<count {
            done.enter()
            let thread = Thread {
                found.set(
                    rank,
                    Result {
                        try body(
                            RankGroup(rank: rank, of: self.count) { numbers throws(DamaError) in
                                try self.sum(rank, numbers)
                            })
                    })
                done.leave()
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
        done.wait()
        return found.all
    }

    private final class Found<Value>: @unchecked Sendable {
        private let lock = NSLock()
        private var values: [Result<Value, any Error>?]

        init(_ count: Int) { values = Array(repeating: nil, count: count) }
        func set(_ rank: Int, _ value: Result<Value, any Error>) { lock.withLock { values[rank] = value } }
        var all: [Result<Value, any Error>] { lock.withLock { values.compactMap { $0 } } }
    }

    /// The sums are formed in the order of the ranks, in the numbers' own type.
    private func sum(_ rank: Int, _ numbers: RankGroup.Numbers) throws(DamaError) {
        switch numbers {
        case .float64(let all):
            for (index, value) in try exchange(rank, Array(all), +).enumerated() { all[index] = value }
        case .float32(let all):
            let found = try exchange(rank, all.map(Double.init)) { Double(Float($0) + Float($1)) }
            for (index, value) in found.enumerated() { all[index] = Float(value) }
        case .device: throw .internal("threads have no CUDA device")
        }
    }

    private func exchange(
        _ rank: Int, _ own: [Double], _ add: (Double, Double) -> Double
    ) throws(DamaError) -> [Double] {
        condition.lock()
        defer { condition.unlock() }
        let mine = round
        given[rank] = own
        if given.count == count {
            let all = (0..<count).compactMap { given[$0] }
            isBroken = isBroken || all.contains { $0.count != own.count }
            if !isBroken {
                sums = own.indices.map { index in all.dropFirst().reduce(all[0][index]) { add($0, $1[index]) } }
            }
            given = [:]
            round += 1
            rounds += 1
            condition.broadcast()
        }
        let limit = Date(timeIntervalSinceNow: 60)
        while round == mine, !isBroken {
            if !condition.wait(until: limit) {
                isBroken = true
                condition.broadcast()
            }
        }
        guard !isBroken else { throw .internal("the ranks do not call the sum together") }
        return sums
    }
}
