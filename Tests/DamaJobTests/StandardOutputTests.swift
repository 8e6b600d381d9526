import Dama
import DamaTestSupport
import XCTest

/// A command that cannot write to standard output reports the error, and its exit code is not 0.
final class StandardOutputTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path

    /// Runs a program whose standard output is a full disk.
    private func run(_ program: String, _ arguments: [String]) throws -> (code: Int32, errors: String) {
        let process = Process()
        process.executableURL = try Self.product(program)
        process.arguments = arguments
        process.standardOutput = try XCTUnwrap(FileHandle(forWritingAtPath: "/dev/full"))
        process.standardInput = FileHandle.nullDevice
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }

    func testEveryCommandNoticesAFullDisk() throws {
        let folder = try TemporaryDirectory()
        let llava = tests + "/DamaModelsTests/Fixtures/llava"
        try FileManager.default.copyItem(atPath: llava + "/image.png", toPath: folder.path + "/image.png")
        let row = #"{"idx":1,"image":"image.png","question":"what","chosen":"red","rejected":"blue"}"#
        try folder.write(Array("\(row)\n".utf8), to: "pairs.jsonl")
        let model = llava + "/default"
        let data = ["--data", folder.path + "/pairs.jsonl", "--quiet", "--out"]
        let config = folder.path + "/dama.yaml"
        let settings = """
            {model: "\(model)", data: "\(folder.path)/pairs.jsonl", out: "\(folder.path)/trained", batch_size: 1,
             method: {keep: 1}, max_steps: 1, trainable: projector}
            """
        try folder.write(Array(settings.utf8), to: "dama.yaml")
        let commands: [(String, [String])] = [
            ("dama-cli", ["--help"]), ("dama-cli", ["--version"]), ("dama-cli", ["version"]),
            ("dama-cli", ["score", "--help"]), ("dama-cli", ["split", "A cat. A dog."]),
            (
                "dama-cli",
                [
                    "generate", "--model", model, "--image", llava + "/image.png", "--prompt", "what", "--max-tokens",
                    "3",
                ]
            ),
            (
                "dama-cli",
                ["generate", "--model", model, "--max-tokens", "2"] + data + [folder.path + "/answers.jsonl"]
            ),
            ("dama-cli", ["reference", "--model", model] + data + [folder.path + "/reference.jsonl"]),
            (
                "dama-cli",
                ["score", "--model", tests + "/../models/shapes-clip"] + data + [folder.path + "/scores.jsonl"]
            ),
            ("dama-cli", ["train", "--quiet", "--config", config]), ("shapes-world", ["--help"]),
        ]
        for (program, arguments) in commands {
            let (code, errors) = try run(program, arguments)
            XCTAssertEqual(code, 1, "\(program) \(arguments)")
            XCTAssertTrue(
                errors.contains("cannot write standard output: No space left on device"), "\(arguments): \(errors)")
        }
        // The results are complete nevertheless.
        for name in ["answers", "reference", "scores"] {
            XCTAssertTrue(Files.exists("\(folder.path)/\(name).summary.json"), name)
        }
        XCTAssertTrue(Files.exists(folder.path + "/trained/model"))
    }
}
