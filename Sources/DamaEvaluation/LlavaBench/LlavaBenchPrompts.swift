import DamaSupport

extension JudgePrompts {
    /// This library's prompt for LLaVA-Bench.
    static let ownLlavaBench = JudgePrompts(own: [
        "system": "You compare two answers to a question about an image, fairly and exactly.",
        "template": """
        Two assistants have answered a user's question about an image. You do not see the image; this is a \
        description of it:

        {}

        Question: {}

        <answer 1>
        {}
        </answer 1>

        <answer 2>
        {}
        </answer 2>

        Grade both answers from 1 to 10 by how helpful, relevant, correct and detailed they are in view of the \
        description; 10 is best. Their order and their length alone must not matter.

        Your first line is two numbers with one blank between them and nothing else: the grade of answer 1 and that \
        of answer 2. Explain the grades in the lines below it.
        """,
    ])

    /// The prompts of the official script and of its rule.json.
    static let officialLlavaBench = JudgePrompts.input(
        .llavaBench,
        and: [
            Download(
                rules,
                versions: [("LLaVA c121f04", "dd7345a44ce9f7a24e51a30ee030cdab32346f9d08e3359c80545ff1312b1e07")],
                address: "https://github.com/haotian-liu/LLaVA/blob/c121f04/llava/eval/table/rule.json")
        ]
    ) { (found) throws(DamaError) in
        guard let path = found[rules] else { throw .internal("no \(rules)") }
        let json = try Files.readJSON(path)
        var members: [JSONObject.Member] = []
        for category in LlavaBench.categories {
            guard let rule = json["llava_bench_\(category)"], let role = rule["role"], let prompt = rule["prompt"]
            else {
                throw .invalidArgument("\(path) has no role and prompt for llava_bench_\(category)")
            }
            members += [("role \(category)", role), ("prompt \(category)", prompt)]
        }
        return members
    }

    private static let rules = "rule.json"
}

extension OfficialScript {
    /// `eval_gpt_review_bench.py`, for its system message.
    static let llavaBench = OfficialScript(
        name: "eval_gpt_review_bench.py",
        address: "https://github.com/haotian-liu/LLaVA/blob/c121f04/llava/eval/eval_gpt_review_bench.py",
        versions: [
            Version(
                "LLaVA c121f04", "fd6a2c3ed99b0b2881e056160c03aab17f7ea5879b9e03fd993381b4d47e63f2", ["system": 355]),
            Version(
                "LLaVA-RLHF 830a083", "d81e9d535b78eb5267edb833969e91e078574393d68ce60340f604c4e47d7bc1",
                ["system": 355]),
        ])
}
