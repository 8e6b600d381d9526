import DamaEvaluation
import DamaSupport

/// Scoring answers as a job over rows.
struct EvaluateTask: RowTask {
    private let open: OpenBenchmark
    private let judge: (any Judge)?
    private let runs: Int
    let root: ImageRoot
    /// A bit for each question that has an answer.
    private(set) var state: [UInt8]

    /// - Parameter stored: The state of an earlier run; empty for none.
    init(
        _ open: OpenBenchmark, judge: (any Judge)?, runs: Int, root: ImageRoot, stored: [UInt8]
    ) throws(DamaError) {
        self.open = open
        self.judge = judge
        self.runs = runs
        self.root = root
        let size = (open.benchmark.questions.count + 7) / 8
        guard stored.isEmpty || stored.count == size else {
            throw .internal("the journal's state has \(stored.count) bytes; expected \(size)")
        }
        state = stored.isEmpty ? Array(repeating: 0, count: size) : stored
    }

    /// A block of scored answers.
    struct Block: RowBlock {
        var rows: [(raw: RawRow, result: Result<Scored, Rejection>)]
        var stamps: [[ImageStamp]] { rows.map { _ in [] } }
    }

    struct Scored {
        var question: Int
        var line: ResultLine
    }

    mutating func commit() throws(DamaError) {}

    func makePreparer(stop: StopSignal) -> @Sendable ([RawRow], Workers) throws(DamaError) -> Block {
        let (benchmark, judge, runs) = (open.benchmark, judge, runs)
        return { (rows, workers) throws(DamaError) in
            let results = try workers.map(rows) { row throws(DamaError) -> Result<Scored, Rejection> in
                switch Self.answer(in: row, benchmark) {
                case .success(let answer):
                    .success(try Self.score(answer, benchmark, runs: runs, judge: judge, stop: stop))
                case .failure(let rejection): .failure(rejection)
                }
            }
            return Block(rows: Array(zip(rows, results)))
        }
    }

    private static func score(
        _ answer: BenchmarkAnswer, _ benchmark: any Benchmark, runs: Int, judge: (any Judge)?, stop: StopSignal
    ) throws(DamaError) -> Scored {
        guard benchmark.questions.indices.contains(answer.question) else {
            throw .internal("an answer to question \(answer.question)")
        }
        var scores: [AnswerScore] = []
        for run in 0..<runs {
            try stop.check()
            scores.append(try benchmark.score(answer, run: run, judge: judge, stop: stop))
        }
        return Scored(
            question: answer.question,
            line: ResultLine(
                id: benchmark.questions[answer.question].id,
                isEmpty: answer.text.utf8.allSatisfy { $0 <= 0x20 }, runs: scores))
    }

    private static func answer(
        in row: RawRow, _ benchmark: any Benchmark
    ) -> Result<BenchmarkAnswer, Rejection> {
        do throws(Rejection) {
            let json = try PairRecord.object(row)
            do throws(BadAnswer) {
                return .success(try benchmark.answer(in: json, at: row.index))
            } catch {
                throw Rejection(error)
            }
        } catch {
            return .failure(error)
        }
    }

    mutating func process(
        _ block: Block, checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> [RowOutcome] {
        try checkpoint()
        return block.rows.map { row, result in
            switch result {
            case .failure(let rejection):
                return .rejected(row, id: PairRecord.identifier(of: row, names: FieldNames()), rejection)
            case .success(let scored):
                let (byte, bit) = (scored.question / 8, UInt8(1) << UInt8(scored.question % 8))
                guard state[byte] & bit == 0 else {
                    return .rejected(
                        row, id: scored.line.id,
                        Rejection(.repeatedAnswer, "the question \(scored.line.id.text) has an answer already"))
                }
                state[byte] |= bit
                return .done(EvaluatedRow(question: scored.question, line: scored.line).encoded())
            }
        }
    }
}

/// A scored answer in the journal.
struct EvaluatedRow {
    var question: Int
    var line: ResultLine

    init(question: Int, line: ResultLine) {
        self.question = question
        self.line = line
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.append(UInt32(truncatingIfNeeded: question))
        writer.append(Array(line.json.text.utf8))
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(DamaError) {
        var reader = ByteReader(bytes[...], name: "journal record")
        question = Int(try reader.read(UInt32.self))
        guard let line = ResultLine(try JSON(parsing: bytes.dropFirst(4))) else {
            throw .io("the journal holds a line that is no score; restart the job")
        }
        self.line = line
    }
}

extension Rejection {
    init(_ answer: BadAnswer) {
        let kind: Kind =
            switch answer.kind {
            case .missingField: .missingField
            case .wrongType: .wrongType
            case .unknownQuestion: .unknownQuestion
            }
        self.init(kind, answer.reason)
    }
}
