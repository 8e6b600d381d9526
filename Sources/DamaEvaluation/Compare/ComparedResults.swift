import DamaSupport

/// The results of one evaluation, to be compared with others.
package struct ComparedResults: Sendable {
    /// The name in tables.
    package var name: String
    package var lines: [ResultLine]

    package init(name: String, lines: [ResultLine]) {
        self.name = name
        self.lines = lines
    }

    /// - Throws: ``DamaError/Code/invalidArgument`` for a question with two lines, and for lines with different numbers
    ///   of runs.
    func byQuestion() throws(DamaError) -> [ExactText: ResultLine] {
        var found: [ExactText: ResultLine] = [:]
        for line in lines {
            guard found.updateValue(line, forKey: Self.key(line)) == nil else {
                throw .invalidArgument("\(name) has two lines for question \(line.id.text)")
            }
            guard line.runs.count == runs, runs > 0 else {
                throw .invalidArgument(
                    "\(name): question \(line.id.text) has \(line.runs.count) runs, the first question \(runs)")
            }
        }
        return found
    }

    var runs: Int { lines.first?.runs.count ?? 0 }

    /// The integer 7 and the string "7" are the same question, as in ``QuestionIndex``.
    static func key(_ line: ResultLine) -> ExactText { ExactText(line.id.string ?? line.id.text) }
}
