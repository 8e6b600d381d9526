import DamaSupport

/// What a job does with the rows of a dataset; ``RowJob`` does the rest.
///
/// The results may depend on the rows of the block, on those before it through ``state``, and on nothing else, least of
/// all on where a run was cut off. Then a job that was killed and taken up again ends with the same bytes.
protocol RowTask {
    associatedtype Block: RowBlock

    /// The state after the last block that was processed, small: it is stored with every block.
    var state: [UInt8] { get }

    /// Where the rows' images lie.
    var root: ImageRoot { get }

    /// What runs beside the model, one block ahead of it or two: reading, decoding, splitting.
    ///
    /// - Parameter stop: Looked at by whatever waits there for something outside the process.
    func makePreparer(stop: StopSignal) -> @Sendable ([RawRow], Workers) throws(DamaError) -> Block

    /// Computes a block: one outcome for each row, in order.
    ///
    /// - Parameter checkpoint: to be called between steps of the model; it throws where the job has to stop.
    mutating func process(
        _ block: Block, checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> [RowOutcome]

    /// Called before the outcomes of a block are stored: what they rely on must be on the disk by then.
    mutating func commit() throws(DamaError)
}

/// Rows that are ready for the model.
protocol RowBlock: Sendable {
    /// For each row, the image file that it was read from, where there was one.
    var stamps: [ImageStamp?] { get }
}
