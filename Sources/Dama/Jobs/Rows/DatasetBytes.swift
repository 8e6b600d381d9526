import DamaSupport

/// A dataset's file, for reading rows again by their offset.
final class DatasetBytes: Sendable {
    private let file: OpenFile

    init(path: String) throws(DamaError) { file = try OpenFile(reading: path) }

    func read(_ offset: Int, _ size: Int) throws(DamaError) -> [UInt8] {
        let bytes = try file.read(size, at: offset)
        guard bytes.count == size else { throw .io("\(file.path) has changed since the job began") }
        return bytes
    }
}
