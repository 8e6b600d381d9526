import DamaEvaluation
import DamaSupport

/// A benchmark with its data, as a job uses it.
struct OpenBenchmark: Sendable {
    let benchmark: any Benchmark
    let settings: BenchmarkSettings
    /// Everything of the benchmark that scores depend on.
    let identity: JSON

    /// - Throws: ``DamaError/Code/invalidArgument`` for an unknown benchmark, variant or part, and for data that is
    ///   missing.
    init(_ options: EvaluateOptions) throws(DamaError) {
        let type = try Benchmarks.type(named: options.benchmark)
        let folder = try DataFolder(path: options.data, benchmark: type.name)
        let settings = BenchmarkSettings(
            variant: try Self.choice("variant", options.variant, type.variants, type.name) ?? type.variants.first,
            part: try Self.choice("part", options.part, type.parts, type.name),
            prompts: try Self.choice("prompts", options.prompts, ["own", "official"], type.name) ?? "own",
            judgeAnswers: options.judgeAnswers)
        benchmark = try type.init(folder, settings)
        self.settings = settings
        func text(_ value: String?) -> JSON { value.map { .string($0) } ?? .null }
        var members: [JSONObject.Member] = [
            ("name", .string(type.name)), ("variant", text(settings.variant)), ("part", text(settings.part)),
            ("data", folder.identity),
        ]
        members += benchmark.identity.members
        if let file = options.judgeAnswers {
            members.append(("judge_answers", .string(try Files.digest(file).sha256)))
        }
        identity = .object(JSONObject(members))
    }

    private static func choice(
        _ name: String, _ given: String?, _ known: [String], _ benchmark: String
    ) throws(DamaError) -> String? {
        guard let given else { return nil }
        guard known.contains(where: { $0.hasSameBytes(as: given) }) else {
            let expected = known.isEmpty ? "\(benchmark) has none" : "expected \(known.joined(separator: " or "))"
            throw .invalidArgument("\(name) is \(quoted(given)); \(expected)")
        }
        return given
    }

    /// Reads answer files that are one JSON object, which some official scripts use.
    var converter: RowReader.Converter {
        let benchmark = benchmark
        return { path throws(DamaError) in
            let start = try OpenFile(reading: path).read(4096, at: 0)
            guard
                start.first(where: { ![0x20, 0x09, 0x0A, 0x0D, 0xEF, 0xBB, 0xBF].contains($0) }) == UInt8(ascii: "{"),
                !Self.isLines(start), case .object(let object)? = try? JSON(parsing: try Files.read(path)),
                let rows = benchmark.rows(of: object)
            else { return nil }
            return rows.flatMap { Array("\($0.text)\n".utf8) }
        }
    }

    /// Whether a file with this beginning is JSON Lines: its first line is an object, and more follows. Such a file is
    /// read row by row, and never as a whole.
    private static func isLines(_ start: [UInt8]) -> Bool {
        guard let end = start.firstIndex(of: 0x0A), start[end...].contains(where: { $0 > 0x20 }),
            case .object? = try? JSON(parsing: start[..<end])
        else { return false }
        return true
    }
}

extension Benchmarks {
    /// - Throws: ``DamaError/Code/invalidArgument`` naming all benchmarks.
    static func type(named name: String) throws(DamaError) -> any Benchmark.Type {
        guard let type = all.first(where: { $0.name.hasSameBytes(as: name) }) else {
            throw .invalidArgument(
                "benchmark is \(quoted(name)); expected one of \(names.joined(separator: ", "))")
        }
        return type
    }
}
