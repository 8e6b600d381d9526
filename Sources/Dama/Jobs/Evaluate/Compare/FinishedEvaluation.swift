import DamaEvaluation
import DamaSupport

/// A finished evaluation: its summary, and the file of its results.
struct FinishedEvaluation {
    let summaryPath: String
    let outputPath: String
    /// The folder of the benchmark's data.
    let data: String
    /// The settings that the results depend on.
    let settings: JSON

    /// - Throws: ``DamaError/Code/invalidArgument`` for a file that is not the summary of a finished evaluation, or
    ///   whose results are missing or have changed since.
    init(summary path: String) throws(DamaError) {
        let suffix = ".summary.json"
        guard path.utf8.count > suffix.utf8.count, path.utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) else {
            throw .invalidArgument("\(quoted(path)) is not a summary; expected a file NAME.summary.json")
        }
        let json = try Files.readJSON(path)
        guard json["settings"]?["job"] == "evaluate", let settings = json["settings"], let output = json["output"],
            settings["benchmark"]?["name"]?.string != nil
        else {
            throw .invalidArgument("\(path) is not the summary of an evaluation")
        }
        let base = String(decoding: path.utf8.dropLast(suffix.utf8.count), as: UTF8.self)
        let names = [".jsonl", ".json", ".ndjson", ""].map { base + $0 }
        guard let found = names.first(where: { Files.isThere($0) }) else {
            throw .invalidArgument("\(names[0]) is missing, whose summary is \(path)")
        }
        try ResultFile.requireUnchanged(found, output, summary: path)
        summaryPath = path
        outputPath = found
        data = json["data"]?.string ?? ""
        self.settings = settings
    }

    var benchmark: String { settings["benchmark"]?["name"]?.string ?? "" }

    /// The name of the file, without folder and suffix.
    var shortName: String { parts.last ?? "" }

    /// The name of the file and of its folder.
    var longName: String { parts.suffix(2).joined(separator: "/") }

    private var parts: [String] {
        summaryPath.utf8.dropLast(".summary.json".utf8.count).split(separator: UInt8(ascii: "/"))
            .map { String(decoding: $0, as: UTF8.self) }
    }

    /// - Throws: ``DamaError/Code/io`` for a line that is no result.
    func lines() throws(DamaError) -> [ResultLine] {
        var lines: [ResultLine] = []
        for (number, text) in try Files.read(outputPath).split(separator: UInt8(ascii: "\n")).enumerated() {
            guard let json = try? JSON(parsing: text), let line = ResultLine(json) else {
                throw .io("\(outputPath), line \(number + 1) is not a line of results")
            }
            lines.append(line)
        }
        return lines
    }

    /// What results must have in common to be compared: the path of each setting, and its value as text.
    var comparable: [(setting: String, value: String)] {
        var found: [(setting: String, value: String)] = []
        func add(_ json: JSON, _ path: String) {
            if case .object(let object) = json {
                for member in object.members { add(member.value, path.isEmpty ? member.key : "\(path).\(member.key)") }
            } else if path.hasSameBytes(as: "judge_answers") {
                // Each model's answers have a file of their own.
                found.append((path, "given"))
            } else {
                found.append((path, json.string ?? json.text))
            }
        }
        if let benchmark = settings["benchmark"] { add(benchmark, "") }
        if let judge = settings["judge"] { add(judge, "judge") }
        return found.filter { $0.value != "null" }
    }
}
