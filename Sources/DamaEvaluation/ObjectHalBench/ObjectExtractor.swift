import DamaSupport
import DamaWords

/// Lists the objects that an answer names by asking a language model, or from ready lists.
///
/// Source: `get_gpt_resp` and `get_pred_objs_match` of `eval/eval_gpt_obj_halbench.py` of RLAIF-V 83d917b. Its 100
/// attempts are ``maximumAttempts`` here.
struct ObjectExtractor: Sendable {
    private let reader: ObjectReader
    private let prompts: JudgePrompts
    private let isOfficial: Bool
    /// `nil` if a judge is asked.
    private let ready: ReadyObjects?

    /// How often a judge is asked for a list before its answers count as a failure.
    static let maximumAttempts = 10

    /// What was found in one answer.
    struct Extraction {
        /// The words for objects, each once; `nil` if there is no list.
        var objects: [String]?
        var evidence: [JSONObject.Member]
    }

    init(_ folder: DataFolder, _ settings: BenchmarkSettings, _ reader: ObjectReader) throws(DamaError) {
        isOfficial = settings.prompts == "official"
        prompts =
            isOfficial ? try JudgePrompts(official: folder, ["template"]) : JudgePrompts(own: ["template": Self.own])
        ready = try settings.judgeAnswers.map { path throws(DamaError) in try ReadyObjects(path) }
        self.reader = reader
    }

    var needsJudge: Bool { ready == nil }

    var identity: JSONObject {
        let tagger: JSONObject.Member = ("tagger", "NLTK's, in place of en_core_web_trf of spaCy")
        if let ready { return ready.areRead ? [:] : JSONObject([tagger]) }
        return JSONObject([
            ("prompts", prompts.identity), ("attempts", .int(Int64(Self.maximumAttempts))), tagger,
        ])
    }

    /// The objects that `answer` names.
    ///
    /// - Parameter image: The image's id, for ready lists.
    func objects(
        in answer: String, to question: String, image: Int, run: Int, judge: (any Judge)?, stop: StopSignal
    ) throws(DamaError) -> Extraction {
        // The script asks nothing about "No, nothing."
        if answer.pythonWords.count <= 3 { return Extraction(objects: [], evidence: [("short", true)]) }
        if let ready {
            switch ready[image] {
            case .read(let objects): return Extraction(objects: Self.unique(objects), evidence: [])
            case .listed(let list): return Extraction(objects: read(list), evidence: [])
            case nil: return Extraction(objects: nil, evidence: [("failure", "the file of answers has no list")])
            }
        }
        guard let judge else { throw .internal("\(ObjectHalBench.name) without a judge") }
        var request = JudgeRequest([message(question, answer)])
        (request.temperature, request.topP, request.maximumTokens, request.run) = (0.2, 1, 512, run)
        var last: JudgeAnswer?
        for attempt in 0..<Self.maximumAttempts {
            request.attempt = attempt
            let reply = try judge.answer(request, stop: stop)
            if let list = ExtractedList.parse(reply.text) {
                return Extraction(objects: read(list), evidence: reply.evidence)
            }
            last = reply
        }
        let failure: JSONObject.Member = ("failure", .string("no list in \(Self.maximumAttempts) answers"))
        return Extraction(objects: nil, evidence: [failure] + (last?.evidence ?? []))
    }

    // MARK: Prompts

    /// The script sends its prompt as the system's message, and no other.
    private func message(_ question: String, _ answer: String) -> JudgeRequest.Message {
        let text = prompts["template"]
        guard isOfficial else {
            return .init(role: "user", content: text.replacing([("{question}", question), ("{answer}", answer)]))
        }
        // One after the other: a "{answer}" in the question is replaced, too.
        let asked = text.replacing([("{question}", question)])
        return .init(role: "system", content: asked.replacing([("{answer}", answer)]))
    }

    static let promptInput = JudgePrompts.input(
        OfficialScript(
            name: "eval_gpt_obj_halbench.py", address: "https://github.com/RLHF-V/RLAIF-V/tree/main/eval",
            versions: [
                .init(
                    "83d917b", "f7447f9218ccecb63f60ecc244d6e50f8b3a3d9263df90523ca4da663fbf9719", ["template": 1050]),
                .init(
                    "83d917b with line feeds", "40c3fad80f0b911def46817e84a862485293034e0339120b85b5248a8a78556d",
                    ["template": 1002]),
            ]))

    private static let own = """
        Below are a question about a picture and somebody's answer to it. Take every statement of the answer as true. \
        Write down the visible objects that the answer names, in the words of the answer, but without colours, \
        materials, numbers and other attributes. Leave out what the answer says is absent, and add nothing of your own.

        Reply with a JSON array of strings and nothing else, such as ["object", "other object"]; reply [] if the answer \
        names no visible object.

        Question: {question}

        Answer: {answer}
        """

    // MARK: Reading a list

    /// The words for objects in a judge's list, each once.
    func read(_ list: [String]) -> [String] { Self.unique(list.flatMap(words)) }

    /// The words for objects in an entry: its pairs of words that are one, or else each run of nouns.
    private func words(of entry: String) -> [String] {
        let tokens = reader.words.tokens("a \(entry)")
        let tags = reader.words.tags(tokens)
        // spaCy leaves proper nouns as they are, and makes other lemmas lower-case.
        let lemmas = zip(tokens, tags).map { token, tag in
            tag.hasPrefix("NNP") ? token : reader.words.nounLemma(token.pythonLowered)
        }
        let pairs = reader.vocabulary.pairs(in: lemmas)
        guard pairs.isEmpty else { return pairs }
        return zip(lemmas, tags).split { !$0.1.hasPrefix("NN") }.map { $0.map(\.0).joined(separator: " ") }
    }

    private static func unique(_ words: [String]) -> [String] {
        var seen: Set<ExactText> = []
        return words.filter { seen.insert(ExactText($0)).inserted }
    }
}

extension String {
    /// Replaces names in this text by values; what a value contains is left.
    fileprivate func replacing(_ values: [(name: String, value: String)]) -> String {
        var (bytes, rest) = ([UInt8](), Array(utf8)[...])
        while let byte = rest.first {
            if let (name, value) = values.first(where: { rest.starts(with: $0.name.utf8) }) {
                bytes += Array(value.utf8)
                rest = rest.dropFirst(name.utf8.count)
            } else {
                bytes.append(byte)
                rest.removeFirst()
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
