import DamaSupport
import Dispatch

/// Reads and prepares a dataset's blocks on another thread, at most two ahead of who takes them.
struct BlockSource<Block: Sendable>: Sendable {
    struct Prepared: Sendable {
        var block: Block
        var rowCount: Int
    }

    typealias Preparer = @Sendable ([RawRow], Workers) throws(DamaError) -> Block

    private let queue = BoundedQueue<Result<Prepared?, DamaError>>(capacity: 1)
    private let running = DispatchGroup()
    private let path: String

    /// - Parameter first: How many rows are to be passed over.
    init(_ prepare: @escaping Preparer, _ options: RowJobOptions, _ contents: DatasetContents, from first: Int) {
        path = options.data
        DispatchQueue(label: "dama.rows").async(group: running) { [self] in
            do throws(DamaError) {
                try produce(prepare, options, contents, from: first)
            } catch {
                _ = queue.put(.failure(error))
            }
        }
    }

    /// The next block; `nil` after the last.
    func next() throws(DamaError) -> Prepared? {
        guard let result = queue.take() else { throw .internal("rows ran out before the input did") }
        return try result.get()
    }

    /// Stops reading and waits until nothing runs any more.
    func close() {
        queue.close()
        running.wait()
    }

    var changed: DamaError { .io("\(path) changed while it was read; start again once it is complete") }

    private func produce(
        _ prepare: Preparer, _ options: RowJobOptions, _ contents: DatasetContents, from first: Int
    ) throws(DamaError) {
        let workers = Workers(count: options.workers)
        var reader = try RowReader(path: options.data, rowLimit: options.rowLimit)
        for _ in 0..<first { _ = try reader.next() }
        while true {
            var rows: [RawRow] = []
            while rows.count < options.blockRows, let row = try reader.next() { rows.append(row) }
            if rows.isEmpty { break }
            guard queue.put(.success(Prepared(block: try prepare(rows, workers), rowCount: rows.count))) else { return }
        }
        guard reader.contents == contents else { throw changed }
        _ = queue.put(.success(nil))
    }
}
