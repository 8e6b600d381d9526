import DamaSupport

/// A benchmark: its questions, how an answer is scored, and how the scores become its metrics.
///
/// A job calls ``score(_:run:judge:stop:)`` from several threads at once, in any order.
package protocol Benchmark: Sendable {
    /// The name on the command line.
    static var name: String { get }
    /// The files of the prepared data.
    static var inputs: [DataInput] { get }
    /// The ways to score, the default first; empty if there is one.
    static var variants: [String] { get }
    /// The parts that can be evaluated alone; empty if there are none.
    static var parts: [String] { get }
    /// The name of a pass for messages and tables: `without hallucination`; `nil` if answers do not pass or fail.
    static var passName: String? { get }

    /// Reads the benchmark's data.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` naming a file that is missing or of another version, and the command
    ///   that makes it.
    init(_ folder: DataFolder, _ settings: BenchmarkSettings) throws(DamaError)

    /// All questions, in the benchmark's order.
    var questions: [BenchmarkQuestion] { get }

    /// Calls `body` with each question in that order, with images that ``questions`` leaves out because they are large.
    func forEachQuestion(_ body: (BenchmarkQuestion) throws(DamaError) -> Void) throws(DamaError)

    /// What the scores depend on besides the data's files: the prompts' name and hash, versions.
    var identity: JSONObject { get }

    /// Whether ``score(_:run:judge:stop:)`` needs a judge.
    var needsJudge: Bool { get }

    /// The most runs that make sense; `nil` for any number. Without a judge, all runs are the same.
    var maximumRuns: Int? { get }

    /// The answers in an official file that is one JSON object; `nil` if the object is a row itself.
    func rows(of object: JSONObject) -> [JSON]?

    /// The question and the text of an answer, in the form that this library writes or in the official one.
    ///
    /// - Parameter index: The row's position in its file, from 0.
    func answer(in row: JSON, at index: Int) throws(BadAnswer) -> BenchmarkAnswer

    /// Scores an answer.
    ///
    /// - Parameters:
    ///   - run: The number of the run, from 0: a judge is asked anew in each.
    ///   - judge: Not `nil` if ``needsJudge``.
    /// - Throws: An error that stops the job, such as an unreachable judge.
    func score(
        _ answer: BenchmarkAnswer, run: Int, judge: (any Judge)?, stop: StopSignal
    ) throws(DamaError) -> AnswerScore

    /// The metrics of one run, from the sums of the counts of all answers, in the order of the official script.
    func metrics(_ counts: Counts) -> [Metric]

    /// The metrics of one run, from the counts of all answers, in the order of the questions.
    func metrics(of answers: [Counts]) -> [Metric]
}

extension Benchmark {
    package static var variants: [String] { [] }
    package static var parts: [String] { [] }
    package static var passName: String? { nil }
    package var identity: JSONObject { [:] }
    package var needsJudge: Bool { false }
    package var maximumRuns: Int? { needsJudge ? nil : 1 }
    package func rows(of object: JSONObject) -> [JSON]? { nil }

    package func forEachQuestion(_ body: (BenchmarkQuestion) throws(DamaError) -> Void) throws(DamaError) {
        for question in questions { try body(question) }
    }

    package func metrics(of answers: [Counts]) -> [Metric] { metrics(answers.reduce(into: Counts()) { $0 += $1 }) }
}

/// What a user chooses about a benchmark.
package struct BenchmarkSettings: Sendable {
    /// One of ``Benchmark/variants``; never `nil` if there are any.
    package var variant: String?
    /// One of ``Benchmark/parts``; `nil` for the whole.
    package var part: String?
    /// The judge's prompts: `own`, or `official` for those that were cut from the user's copy of the official script.
    package var prompts: String?
    /// A file with a judge's answers, in the official form; no judge is asked.
    package var judgeAnswers: String?

    package init(
        variant: String? = nil, part: String? = nil, prompts: String? = nil, judgeAnswers: String? = nil
    ) {
        self.variant = variant
        self.part = part
        self.prompts = prompts
        self.judgeAnswers = judgeAnswers
    }
}

/// A question of a benchmark.
package struct BenchmarkQuestion: Sendable {
    /// A string or an integer, unique in the benchmark.
    package var id: JSON
    /// The name of the image's file, or another form that a dataset's row can hold; `nil` for none.
    package var image: JSON?
    package var text: String

    package init(id: JSON, image: JSON?, text: String) {
        self.id = id
        self.image = image
        self.text = text
    }
}

/// An answer to a question of a benchmark.
package struct BenchmarkAnswer: Sendable {
    /// The question's position in ``Benchmark/questions``.
    package var question: Int
    package var text: String
    /// The answer's row, for benchmarks that read more of it.
    package var row: JSON

    package init(question: Int, text: String, row: JSON = .null) {
        self.question = question
        self.text = text
        self.row = row
    }
}

/// The reason why a row is no answer to a question of the benchmark.
package struct BadAnswer: Error, Equatable {
    package enum Kind: Sendable {
        case missingField
        case wrongType
        case unknownQuestion
    }

    package var kind: Kind
    /// A one-line explanation.
    package var reason: String

    package init(_ kind: Kind, _ reason: String) {
        self.kind = kind
        self.reason = reason
    }
}
