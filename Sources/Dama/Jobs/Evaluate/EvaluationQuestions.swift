import DamaEvaluation
import DamaSupport

/// Writes a benchmark's questions as a dataset that ``GenerateJob`` answers.
public enum EvaluationQuestions {
    /// Writes a line for each question: `idx`, `image` and `question`.
    ///
    /// - Parameters:
    ///   - benchmark: Its name.
    ///   - data: The folder that `dama evaluate prepare` made.
    ///   - output: The file to write, JSON Lines.
    ///   - part: The part of the benchmark; `nil` for all.
    /// - Returns: The number of questions.
    /// - Throws: ``DamaError/Code/invalidArgument`` for an unknown benchmark or part, data that is missing, and an
    ///   existing file at `output`; ``DamaError/Code/io`` if the file cannot be written.
    @discardableResult
    public static func write(
        benchmark: String, data: String, part: String? = nil, to output: String
    ) throws(DamaError) -> Int {
        guard !Files.isThere(output) else {
            throw .invalidArgument("\(output) exists and is not replaced; choose another file, or remove it")
        }
        var options = EvaluateOptions(benchmark: benchmark, responses: output, data: data, output: output)
        options.part = part
        let opened = try OpenBenchmark(options).benchmark
        var count = 0
        try Files.replace(output) { sink throws(DamaError) in
            try opened.forEachQuestion { question throws(DamaError) in
                var members: [JSONObject.Member] = [("idx", question.id)]
                if let image = question.image { members.append(("image", image)) }
                members.append(("question", .string(question.text)))
                try sink.append(Array("\(JSON.object(JSONObject(members)).text)\n".utf8))
                count += 1
            }
        }
        return count
    }
}
