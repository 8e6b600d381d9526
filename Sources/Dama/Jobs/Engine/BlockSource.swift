import DamaSupport

/// Reads and prepares a dataset's blocks on another thread, at most two ahead of the consumer.
struct BlockSource<Block: Sendable>: Sendable {
    struct Prepared: Sendable {
        var block: Block
        var rowCount: Int
    }

    typealias Preparer = @Sendable ([RawRow], Workers) throws(DamaError) -> Block

    private let blocks: ReadAhead<Prepared>
    private let stop: StopSignal
    private let path: String

    /// - Parameters:
    ///   - rows: The rows to prepare; all are read, so that a dataset that has changed is noticed.
    ///   - stop: Checked by the preparer while it waits; ``close()`` sets it.
    /// - Throws: ``DamaError/Code/outOfMemory`` if the system cannot start a thread.
    init(
        _ prepare: @escaping Preparer, _ options: RowJobOptions, _ contents: DatasetContents, rows: Range<Int>,
        stop: StopSignal
    ) throws(DamaError) {
        path = options.data
        self.stop = stop
        blocks = try ReadAhead { put throws(DamaError) in
            try Self.produce(prepare, options, contents, rows: rows, stop, put: put)
        }
    }

    /// The next block; `nil` after the last.
    ///
    /// - Parameter waiting: Called many times a second while no block is ready; an error it throws ends the wait.
    func next(waiting: () throws(DamaError) -> Void) throws(DamaError) -> Prepared? {
        try blocks.next(waiting: waiting)
    }

    /// Stops reading and waits until the thread has ended.
    func close() {
        stop.stop()
        blocks.close()
    }

    var changed: DamaError { Self.changed(path) }

    private static func changed(_ path: String) -> DamaError {
        .io("\(path) changed while it was read; run the job again once the file is complete")
    }

    private static func produce(
        _ prepare: Preparer, _ options: RowJobOptions, _ contents: DatasetContents, rows wanted: Range<Int>,
        _ stop: StopSignal, put: (Prepared) -> Bool
    ) throws(DamaError) {
        let workers = Workers(count: options.workers)
        var reader = try RowReader(options)
        for _ in 0..<wanted.lowerBound {
            try stop.check()
            _ = try reader.next()
        }
        var left = wanted.count
        while true {
            var rows: [RawRow] = []
            while rows.count < min(options.blockRows, left), let row = try reader.next() {
                try stop.check()
                rows.append(row)
            }
            if rows.isEmpty { break }
            left -= rows.count
            guard put(Prepared(block: try prepare(rows, workers), rowCount: rows.count)) else { return }
        }
        while try reader.next() != nil { try stop.check() }
        guard reader.contents == contents else { throw changed(options.data) }
    }
}
