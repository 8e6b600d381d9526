import DamaSupport

/// Computes the rows of a dataset; ``RowJob`` does the rest.
///
/// The results may depend only on the rows of the block and, through ``state``, on the rows before it. They must not
/// depend on where a run was interrupted. A job that was killed and resumed then produces the same bytes.
protocol RowTask {
    associatedtype Block: RowBlock

    /// The state after the last processed block. It is stored with every block, so it must be small.
    var state: [UInt8] { get }

    /// The folder of the rows' images.
    var root: ImageRoot { get }

    /// Returns the function that reads, decodes and splits rows. It runs beside the model, up to two blocks ahead.
    ///
    /// - Parameter stop: Must be checked while the function waits for something outside the process.
    func makePreparer(stop: StopSignal) -> @Sendable ([RawRow], Workers) throws(DamaError) -> Block

    /// Computes a block: one outcome for each row, in order.
    ///
    /// - Parameter checkpoint: Must be called between steps of the model; it throws if the job has to stop.
    mutating func process(
        _ block: Block, checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> [RowOutcome]

    /// Called before the outcomes of a block are stored. Everything that they depend on must be on disk when it
    /// returns.
    mutating func commit() throws(DamaError)
}

/// Rows that are ready for the model.
protocol RowBlock: Sendable {
    /// For each row, the image file that it was read from, if any.
    var stamps: [[ImageStamp]] { get }
}
