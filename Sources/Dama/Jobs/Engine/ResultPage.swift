import DamaSupport

/// A page on the results of a job: HTML at a path that the user chose. It is made from the summary file alone, so that
/// every run of the job writes the same bytes.
struct ResultPage: Equatable, Sendable {
    let path: String
    /// The command that writes it.
    let writer: String

    /// Whether the file at the path is a page of this command.
    var isOwn: Bool {
        let head = Array(HTMLPage.head(writer: writer).utf8)
        guard let file = try? OpenFile(reading: path), let bytes = try? file.read(head.count, at: 0) else {
            return false
        }
        return bytes == head
    }
}
