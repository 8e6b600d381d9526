import DamaSupport

/// The files of AMBER's prepared data.
enum AmberInputs {
    static let annotations = "annotations.json"
    static let relation = "relation.json"
    static let safeWords = "safe_words.txt"
    static let queries = "queries.json"
    static let similarWords = "similar_words.json"

    static let all: [DataInput] = [
        DataInput(
            annotations, "the answers' ground truth",
            from: [download(annotations, "db22a436c4836fbb295e60b4e80d519573077579fb7032f01b193c1bd022b797")]),
        DataInput(
            relation, "which words go together",
            from: [download(relation, "c4c1491e9bbc3209abc1888c12a1bf8413bdbab8a0d8be04b990a2e7680cf23e")]),
        DataInput(
            safeWords, "words that are never hallucinated",
            from: [download(safeWords, "f92cf1123f4578a2630832fac3e6ac4de36212ea55859d3bed4fd233723f4043")]),
        DataInput(
            queries, "the questions; query_all.json has all, the two others have a task each",
            from: [
                query("all", "127680ae61f7d4a92d2f7f07a8deaec07f0689b194d2c7c0f41ead7bd2c5bcf5"),
                query("generative", "b7e4c36596126ee36d2c3922638b7fa98743c26efda78fea2315f4425258d087"),
                query("discriminative", "1502887ac020f4bb7ea564af4e37bddcb030d61b78490d00f9da492a2307abb8"),
            ]
        ) { (found, path) throws(DamaError) in try makeQueries(found, path) },
        .words(isOptional: true),
        DataInput(
            similarWords, "which words are similar, for the generative task; made of one of these",
            from: [vectors, ownTable], isOptional: true
        ) { (found, path) throws(DamaError) in try makeSimilarWords(found, path) },
    ]

    private static let address = "https://github.com/junyangwang0410/AMBER/tree/master/data"

    private static func download(_ name: String, _ sha256: String) -> Download {
        Download(name, versions: [("of AMBER 534babf", sha256)], address: address)
    }

    private static func query(_ task: String, _ sha256: String) -> Download {
        Download(
            "query_\(task).json", versions: [("of AMBER 534babf", sha256)], address: "\(address)/query",
            isOptional: true)
    }

    private static let vectors = Download(
        "*.whl",
        versions: [
            ("of en_core_web_lg 3.7.1", "ab70aeb6172cde82508f7739f35ebc9918a3d07debeed637403c8f794ba3d3dc"),
            ("of en_core_web_lg 3.8.0", "293e9547a655b25499198ab15a525b05b9407a75f10255e405e8c3854329ab63"),
            ("of en_core_web_md 3.8.0", "5e6329fe3fecedb1d1a02c3ea2172ee0fede6cea6e4aefb6a02d832dba78a310"),
        ], address: "https://github.com/explosion/spacy-models/releases (en_core_web_lg; other versions too)",
        isOptional: true, acceptsOthers: true)

    private static let ownTable = Download(
        similarWords, address: "a table of your own: {\"pairs\": [[\"bike\", \"bicycle\"], …]}", isOptional: true)

    private static func makeQueries(_ found: [String: String], _ path: String) throws(DamaError) {
        if let all = found["query_all.json"] { return try Files.copy(all, to: path) }
        guard let generative = found["query_generative.json"], let discriminative = found["query_discriminative.json"]
        else {
            throw .invalidArgument(
                "\(path) needs query_all.json, or query_generative.json and query_discriminative.json together")
        }
        var rows: [JSON] = []
        for half in [generative, discriminative] {
            guard let list = try Files.readJSON(half).array else {
                throw .invalidArgument("\(half) is not an array of questions")
            }
            rows += list
        }
        try Files.writeAtomically(Array(JSON.array(rows).text.utf8), to: path)
    }

    private static func makeSimilarWords(_ found: [String: String], _ path: String) throws(DamaError) {
        // It was prepared before: by this call, or by an earlier one.
        let relation = "\(Files.folder(of: path))/\(relation)"
        guard Files.exists(relation) else {
            throw .invalidArgument("\(path) is made for the words of relation.json; prepare that first")
        }
        let words = try AmberWords.vocabulary(try Files.readJSON(relation), name: relation)
        let table: SimilarWords
        if let wheel = found[vectors.name] {
            guard found[ownTable.name] == nil else {
                throw .invalidArgument("\(path) is made of a wheel or of a table of your own, not of both")
            }
            table = try SimilarWords(of: words, wheel: wheel)
        } else if let own = found[ownTable.name] {
            table = try SimilarWords(try Files.readJSON(own))
        } else {
            throw .internal("\(path) without a source")
        }
        try Files.writeAtomically(Array("\(table.json.text)\n".utf8), to: path)
    }
}
