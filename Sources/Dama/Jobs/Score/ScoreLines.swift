import DamaSupport

/// The output of a ``ScoreJob``, as later jobs read it.
enum ScoreLines {
    /// Calls `body` with every line.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` if the file is no longer the one that its summary, if present,
    ///   describes; ``DamaError/Code/model``, naming the line, for an error of `body`.
    static func forEach(of path: String, _ body: (JSON) throws(DamaError) -> Void) throws(DamaError) {
        let summary = JobPaths(output: path).summary
        if Files.exists(summary), let described = try Files.readJSON(summary)["output"] {
            try ResultFile.requireUnchanged(path, described, summary: summary)
        }
        var reader = try RowReader(path: path, rowLimit: 64 << 20)
        while let row = try reader.next() {
            do throws(DamaError) {
                if let rejection = row.rejection { throw .model(rejection.reason) }
                try body(try JSON(parsing: row.bytes, numbers: .asWritten))
            } catch {
                throw DamaError(.model, "\(path), line \(row.line): \(error.message)")
            }
        }
    }
}
