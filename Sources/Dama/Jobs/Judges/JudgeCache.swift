import DamaEvaluation
import DamaSupport
import Synchronization

/// A judge's answers by the hash of the request: in memory, and in a file if one is given.
///
/// The file is append-only JSON Lines. A line that was cut short when a process ended is ignored. The same file may
/// serve several judges, benchmarks and jobs at once.
public final class JudgeCache: Sendable {
    private let answers: AnswerCache<JudgeAnswer>
    /// One caller at a time for each request that is being asked.
    private let turns = Mutex<[String: Slots]>([:])

    /// - Parameter path: The cache file; `nil` keeps answers in memory only.
    /// - Throws: ``DamaError/Code/io`` if the file cannot be read or written; ``DamaError/Code/invalidArgument`` if it
    ///   is not such a cache.
    public init(path: String? = nil) throws(DamaError) { answers = try AnswerCache(path: path) }

    /// The kept answer, or else that of `ask`, which is then kept. Callers with the same request ask once.
    func answer(
        _ request: JudgeRequest, of judge: String, _ stop: StopSignal, ask: () throws(DamaError) -> JudgeAnswer
    ) throws(DamaError) -> JudgeAnswer {
        let key = Self.key(of: request, judge)
        if let known = answers[key] { return known }
        let turn = turns.withLock { turns in
            let turn = turns[key] ?? Slots(count: 1)
            turns[key] = turn
            return turn
        }
        defer { _ = turns.withLock { $0.removeValue(forKey: key) } }
        return try turn.run(stop) { () throws(DamaError) in
            if let known = answers[key] { return known }
            let answer = try ask()
            try answers.keep(answer, for: key)
            return answer
        }
    }

    /// SHA-256 of everything that an answer depends on, and of the run and attempt, which make separate entries.
    static func key(of request: JudgeRequest, _ judge: String) -> String {
        var hash = SHA256()
        func add(_ text: String) {
            hash.update(UInt64(text.utf8.count))
            hash.update(text.utf8)
        }
        add("judge 1")
        add(judge)
        for number in [request.maximumTokens, request.run, request.attempt, request.messages.count] {
            hash.update(UInt64(truncatingIfNeeded: number))
        }
        // −0 is 0, and adding 0 makes it so.
        for number in [request.temperature, request.topP] { hash.update((number + 0).bitPattern) }
        for message in request.messages {
            add(message.role)
            add(message.content)
        }
        return hash.hexDigest
    }
}

/// A judge whose answers are kept and not asked for again.
public struct CachedJudge: Judge {
    private let judge: any Judge
    private let cache: JudgeCache

    public init(_ judge: any Judge, cache: JudgeCache) {
        self.judge = judge
        self.cache = cache
    }

    public var name: String { judge.name }

    public func answer(_ request: JudgeRequest, stop: StopSignal) throws(DamaError) -> JudgeAnswer {
        try cache.answer(request, of: name, stop) { () throws(DamaError) in try judge.answer(request, stop: stop) }
    }
}

extension JudgeAnswer: CachedAnswer {
    static var kind: String { "a judge's answers" }

    init?(_ json: JSON) {
        guard let text = json["text"]?.string else { return nil }
        self.init(text: text)
        model = json["model"]?.string
        finish = json["finish"]?.string
        inputTokens = json["input_tokens"]?.int
        outputTokens = json["output_tokens"]?.int
    }

    var members: [JSONObject.Member] {
        var members: [JSONObject.Member] = [("text", .string(text))]
        if let model { members.append(("model", .string(model))) }
        if let finish { members.append(("finish", .string(finish))) }
        if let inputTokens { members.append(("input_tokens", .int(Int64(inputTokens)))) }
        if let outputTokens { members.append(("output_tokens", .int(Int64(outputTokens)))) }
        return members
    }
}
