import DamaSupport

/// A file in which an official script has kept a judge's answers.
enum JudgeAnswerFile {
    /// The values of a JSON array, the only value of another JSON text, or the lines of JSON Lines.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the file and what is wrong with it.
    static func values(_ path: String) throws(DamaError) -> [JSON] {
        let bytes = try Files.read(path)
        // Python writes NaN, which is not JSON.
        if let whole = try? JSON(parsing: bytes, numbers: .asWritten) { return whole.array ?? [whole] }
        var values: [JSON] = []
        for (number, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
        where line.contains(where: { $0 > 0x20 }) {
            do throws(DamaError) {
                values.append(try JSON(parsing: line, numbers: .asWritten))
            } catch {
                throw .invalidArgument("\(path), line \(number + 1): \(error.message)")
            }
        }
        return values
    }
}

extension JudgeAnswer {
    /// What a result's line keeps of the answer.
    var evidence: [JSONObject.Member] {
        var members: [JSONObject.Member] = [("judge", .string(text))]
        if let model { members.append(("judge_model", .string(model))) }
        if let finish, !["stop", "end_token"].contains(finish) { members.append(("judge_finish", .string(finish))) }
        return members
    }
}
