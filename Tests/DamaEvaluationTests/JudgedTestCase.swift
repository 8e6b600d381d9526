import DamaSupport
import DamaTestSupport
import Synchronization
import XCTest

@testable import DamaEvaluation

/// Benchmarks with a judge, their data, and a judge that says what it is told to say.
class JudgedTestCase: XCTestCase {
    var folder: TemporaryDirectory!

    override func setUpWithError() throws { folder = try TemporaryDirectory() }

    func official(_ name: String) throws -> JSON { try XCTUnwrap(Fixtures.json("judged_official.json")[name]) }
    func restated(_ name: String) throws -> JSON { try XCTUnwrap(Fixtures.json("judged.json")[name]) }

    /// Says the next text for a request that contains a key; the last one again and again.
    final class ScriptedJudge: Judge {
        let name = "scripted"
        private let texts: [String: [String]]
        private let state = Mutex<(requests: [JudgeRequest], used: [String: Int])>(([], [:]))

        init(_ texts: [String: [String]]) { self.texts = texts }

        var requests: [JudgeRequest] { state.withLock { $0.requests } }

        func answer(_ request: JudgeRequest, stop: StopSignal) throws(DamaError) -> JudgeAnswer {
            let content = request.messages.last?.content ?? ""
            guard let key = texts.keys.first(where: { $0.isEmpty || content.contains($0) }), let own = texts[key] else {
                throw .io("no text for \(content)")
            }
            let number = state.withLock { state in
                state.requests.append(request)
                state.used[key, default: 0] += 1
                return state.used[key, default: 1] - 1
            }
            return JudgeAnswer(text: own[min(number, own.count - 1)], model: "m")
        }
    }

    /// A prepared folder of files that are no known version.
    func data<B: Benchmark>(
        _ type: B.Type, _ files: KeyValuePairs<String, JSON>, lines: Bool = false
    ) throws -> DataFolder {
        var paths: [String] = []
        for (name, json) in files {
            let text = lines ? (json.array ?? []).map { $0.text + "\n" }.joined() : json.text
            paths.append(try folder.write(Array(text.utf8), to: name))
        }
        var preparation = DataPreparation(benchmark: B.name, inputs: B.inputs)
        preparation.acceptsAnyVersion = true
        let report = try preparation.run(from: paths, to: folder.path + "/data")
        XCTAssertEqual(report.missing.filter { !$0.isOptional }.count, 0)
        return try DataFolder(path: folder.path + "/data", benchmark: B.name)
    }

    /// A folder as ``data(_:_:lines:)`` makes it, with official prompts of our own.
    func addPrompts<B: Benchmark>(_ type: B.Type, _ prompts: JSON, to data: DataFolder) throws -> DataFolder {
        let path = "\(data.path)/\(JudgePrompts.fileName)"
        try Files.writeAtomically(Array(prompts.text.utf8), to: path)
        let digest = try Files.digest(path)
        let manifest = try Files.readJSON("\(data.path)/benchmark.json")
        let entry: JSON = [
            "name": .string(JudgePrompts.fileName), "sha256": .string(digest.sha256),
            "bytes": .int(Int64(digest.byteCount)), "made_from": [],
        ]
        let files = JSON.array((manifest["files"]?.array ?? []) + [entry])
        let members = (manifest.object?.members ?? []).map { $0.key == "files" ? ("files", files) : $0 }
        try Files.writeAtomically(
            Array(JSON.object(JSONObject(members)).text.utf8), to: "\(data.path)/benchmark.json")
        return try DataFolder(path: data.path, benchmark: B.name)
    }

    /// The sums of the scores of all answers in one run.
    func counts(
        _ benchmark: some Benchmark, _ rows: [JSON], run: Int = 0, judge: (any Judge)? = nil
    ) throws -> Counts {
        var sum = Counts()
        for (position, row) in rows.enumerated() {
            sum += try benchmark.score(
                benchmark.answer(in: row, at: position), run: run, judge: judge, stop: StopSignal()
            ).counts
        }
        return sum
    }

    func metric(_ name: String, _ metrics: [Metric]) throws -> Metric {
        try XCTUnwrap(metrics.first { $0.name == name }, name)
    }

    /// Asserts that `metrics` have the official texts of `printed`, and returns how many were compared.
    func assertPrinted(_ metrics: [Metric], _ printed: JSON?, file: StaticString = #filePath, line: UInt = #line) throws
    {
        let members = try XCTUnwrap(printed?.object?.members, file: file, line: line)
        XCTAssertFalse(members.isEmpty, file: file, line: line)
        for member in members {
            XCTAssertEqual(
                try metric(member.key, metrics).official, member.value.string, member.key, file: file, line: line)
        }
    }
}
