import DamaSupport

/// Sums over rows that occur several times, which the host computes for the graphs.
public enum RowGradients {
    /// Adds row j of `values` to row `indices[j]` of `gradient`, in the order of j for any number of threads.
    ///
    /// - Parameters:
    ///   - values: [indices, width].
    ///   - indices: Each in 0 ..< rows of `gradient`.
    ///   - gradient: [rows, width].
    ///   - threads: The most threads to use; 0 for all processors.
    /// - Throws: ``DamaError/Code/shapeMismatch`` if the counts do not match; ``DamaError/Code/invalidArgument`` for an
    ///   index outside the rows. On an error nothing is added.
    public static func add(
        _ values: UnsafeBufferPointer<Float>, at indices: UnsafeBufferPointer<Int64>,
        to gradient: UnsafeMutableBufferPointer<Float>, width: Int, threads: Int = 0
    ) throws(DamaError) {
        guard width > 0, values.count == indices.count * width, gradient.count % width == 0 else {
            throw .shapeMismatch(
                "\(values.count) row gradients for \(indices.count) indices of width \(width) do not fit "
                    + "a gradient of \(gradient.count) numbers")
        }
        let rows = gradient.count / width
        if let (position, index) = indices.enumerated().first(where: { !(0..<Int64(rows)).contains($0.element) }) {
            throw .invalidArgument("index \(position) is \(index); the embedding has \(rows) rows")
        }
        guard let source = values.baseAddress, let target = gradient.baseAddress else { return }
        nonisolated(unsafe) let (from, to, picks) = (source, target, indices)
        let wanted = threads > 0 ? threads : Processors.usable
        // At least 32,768 numbers for each thread: below that, starting a thread costs more than it saves. Each thread
        // has its own columns, so every sum has one writer and one order, and frequent tokens load all threads alike.
        let parts = max(1, min(wanted, values.count / 32_768, width / 16))
        @Sendable func part(_ number: Int) {
            let columns = width * number / parts..<width * (number + 1) / parts
            for position in 0..<picks.count {
                let (row, sum) = (from + position * width, to + Int(picks[position]) * width)
                for column in columns { sum[column] += row[column] }
            }
        }
        Concurrent.forEach(parts, threads: parts, part)
    }

    /// The inverse table for ``GraphBuilder/selectRows(_:_:inverse:)``: for each of `count` rows, the positions in
    /// `rows` that hold it, padded with `rows.count`.
    ///
    /// - Returns: The table [count, uses] and `uses`, at least 1.
    /// - Throws: ``DamaError/Code/invalidArgument`` for a row outside 0 ..< count.
    public static func inverse(of rows: [Int64], count: Int) throws(DamaError) -> (table: [Int64], uses: Int) {
        var used = [Int](repeating: 0, count: max(0, count))
        for (position, row) in rows.enumerated() {
            guard row >= 0, row < count else {
                throw .invalidArgument("row \(position) to select is \(row); there are \(count) rows")
            }
            used[Int(row)] += 1
        }
        let uses = max(1, used.max() ?? 1)
        let (size, overflow) = used.count.multipliedReportingOverflow(by: uses)
        guard !overflow else { throw .outOfMemory("the inverse of \(rows.count) selected rows is too large") }
        var table = [Int64](repeating: Int64(rows.count), count: size)
        for position in rows.indices.reversed() {
            let row = Int(rows[position])
            used[row] -= 1
            table[row * uses + used[row]] = Int64(position)
        }
        return (table, uses)
    }
}
