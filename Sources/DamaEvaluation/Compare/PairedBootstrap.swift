import DamaSupport
import Synchronization

/// Percentile intervals of metrics and of their differences, from resampled questions (Efron and Tibshirani 1993,
/// chapter 13).
///
/// A resample draws as many questions as there are, with replacement, the same for all results, so that the questions'
/// difficulty cancels in the differences. Resample b draws from stream b of the seed: the intervals depend neither on
/// the number of threads nor on other options.
package struct PairedBootstrap: Sendable {
    package var resamples = 10_000
    package var seed: UInt64 = 0
    /// The probability mass of an interval.
    package var confidence = 0.95
    package var threads = 0

    package init() {}

    /// The two ends of an interval.
    package struct Interval: Equatable, Sendable {
        package var low: Double
        package var high: Double
    }

    /// The statistics' intervals.
    package struct Estimate: Equatable, Sendable {
        /// `nil` if the statistic has no value in any resample.
        package var interval: Interval?
        /// Resamples in which the statistic has no value; they are left out.
        package var undefined: Int
    }

    /// Intervals of statistics of sums.
    ///
    /// - Parameters:
    ///   - questions: [questions][columns], what each question adds to the sums; finite.
    ///   - statistics: the statistics of the sums of a resample, [columns] to [statistics]; `nil` for one without a
    ///     value. Called from several threads at once.
    /// - Returns: an estimate for each statistic.
    /// - Throws: ``DamaError/cancelled`` once `stop` is set.
    package func estimates(
        _ questions: [[Double]], stop: StopSignal = StopSignal(),
        statistics: @escaping @Sendable ([Double]) -> [Double?]
    ) throws(DamaError) -> [Estimate] {
        let columns = questions.first?.count ?? 0
        let count = statistics([Double](repeating: 0, count: columns)).count
        try Allocation.check(
            resamples, of: max(1, count) * MemoryLayout<Double?>.size, for: "\(resamples) resamples of the metrics")
        let groups = Self.group(questions)
        let pieces = (resamples + Self.pieceSize - 1) / Self.pieceSize
        let found = Mutex([[[Double?]]](repeating: [], count: pieces))
        let (resamples, seed) = (resamples, seed)
        Concurrent.forEach(pieces, threads: threads) { piece in
            guard !stop.isStopped else { return }
            let range = piece * Self.pieceSize..<min(resamples, (piece + 1) * Self.pieceSize)
            let values = range.map { statistics(groups.sums(seed: seed, resample: $0, columns: columns)) }
            found.withLock { $0[piece] = values }
        }
        try stop.check()
        let all = found.withLock { $0 }.flatMap { $0 }
        return (0..<count).map { statistic in
            let values = all.compactMap { statistic < $0.count ? $0[statistic] : nil }.sorted()
            let tail = (1 - confidence) / 2
            let interval = Self.quantile(values, tail).flatMap { low in
                Self.quantile(values, 1 - tail).map { Interval(low: low, high: $0) }
            }
            return Estimate(interval: interval, undefined: all.count - values.count)
        }
    }

    /// Resamples that a thread takes at a time.
    private static let pieceSize = 64

    /// The quantile of sorted values, linear between neighbours, as `numpy.quantile` does by default.
    static func quantile(_ sorted: [Double], _ probability: Double) -> Double? {
        guard let last = sorted.last else { return nil }
        let place = Double(sorted.count - 1) * probability
        let lower = Int(place.rounded(.down))
        guard lower + 1 < sorted.count else { return last }
        let (a, b, t) = (sorted[lower], sorted[lower + 1], place - Double(lower))
        return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t)
    }

    // MARK: Groups

    /// Questions that add the same; most benchmarks have few kinds.
    private struct Groups: Sendable {
        /// The group of each question.
        var members: [Int]
        /// [groups][columns]
        var rows: [[Double]]

        /// The sums of a resample.
        func sums(seed: UInt64, resample: Int, columns: Int) -> [Double] {
            var generator = RandomGenerator(seed: seed, stream: UInt64(truncatingIfNeeded: resample))
            var weights = [Int](repeating: 0, count: rows.count)
            for _ in members.indices { weights[members[generator.uniform(below: members.count)]] += 1 }
            var sums = [Double](repeating: 0, count: columns)
            for (weight, row) in zip(weights, rows) where weight > 0 {
                for column in 0..<columns { sums[column] += Double(weight) * row[column] }
            }
            return sums
        }
    }

    private static func group(_ questions: [[Double]]) -> Groups {
        var known: [[Double]: Int] = [:]
        var groups = Groups(members: [], rows: [])
        for row in questions {
            if let group = known[row] {
                groups.members.append(group)
            } else {
                known[row] = groups.rows.count
                groups.members.append(groups.rows.count)
                groups.rows.append(row)
            }
        }
        return groups
    }
}
