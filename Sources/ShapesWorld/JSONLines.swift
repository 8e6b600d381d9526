import DamaSupport

/// A file with one JSON value per line, read as a whole. Blank lines are skipped.
package enum JSONLines {
    package static func read(_ path: String) throws(DamaError) -> [JSON] {
        var values: [JSON] = []
        let lines = try Files.read(path).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (number, line) in lines.enumerated() where line.contains(where: { $0 > 32 }) {
            do {
                values.append(try JSON(parsing: line))
            } catch {
                throw DamaError(error.code, "\(path), line \(number + 1): \(error.message)")
            }
        }
        return values
    }
}
