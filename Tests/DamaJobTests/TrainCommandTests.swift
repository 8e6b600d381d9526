import Dama
import DamaTestSupport
import XCTest

/// `dama train` as a process.
final class TrainCommandTests: TrainTestCase {
    private func configuration(_ output: String, _ more: String = "") -> String {
        """
        # a comment
        model: \(Self.model)/default
        data: \(folder.path)/pairs.jsonl
        scores: "\(folder.path)/scores.jsonl"
        out: \(folder.path)/\(output)
        method: {preset: paper, beta: 0.1, keep: 3}
        optimizer:
          learning_rate: 1e-3
        batch_size: 4
        epochs: 5
        checkpoint: {every: 1}
        seed: 5
        \(more)
        """
    }

    private func process(_ output: String, _ more: String = "", arguments: [String] = []) throws -> (Process, Pipe) {
        try folder.write(Array(configuration(output, more).utf8), to: "\(output).yaml")
        let process = Process()
        process.executableURL = try Self.product("dama-cli")
        process.arguments = ["train", "--config", "\(folder.path)/\(output).yaml"] + arguments
        let errors = Pipe()
        process.standardError = errors
        process.standardOutput = FileHandle.nullDevice
        return (process, errors)
    }

    private func finish(_ output: String, _ more: String = "", arguments: [String] = []) throws -> (Int32, String) {
        let (process, errors) = try process(output, more, arguments: arguments)
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }

    /// Killed at fifty random moments, the job always resumes from a valid checkpoint and ends with the same bits.
    func testKilledAtFiftyRandomMomentsEndsWithTheSameBits() throws {
        try writeDataset(count: 48)
        let (code, text) = try finish("whole")
        XCTAssertEqual(code, 0, text)
        XCTAssertEqual(try metrics("whole").count, 60)

        let seed = UInt64.random(in: 0...(.max))
        print("seed of the kills: \(seed)")
        var generator = RandomGenerator(seed: seed)
        var kills = 0
        var finished = 0
        while kills < 50 {
            let name = "killed\(finished)"
            for attempt in 1... {
                let (process, errors) = try process(name)
                try process.run()
                // From the start of the process to a few steps; later attempts get more time, in case the machine is
                // busy.
                let time = 30_000 + generator.uniform(below: 500_000) * (1 + attempt / 20)
                let deadline = DispatchTime.now() + .microseconds(time)
                while process.isRunning && DispatchTime.now() < deadline { usleep(500) }
                if process.isRunning, kills < 50 {
                    kill(process.processIdentifier, SIGKILL)
                    kills += 1
                }
                process.waitUntilExit()
                if process.terminationReason == .exit {
                    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
                    XCTAssertEqual(process.terminationStatus, 0, text)
                    XCTAssertFalse(text.contains("damaged"), text)
                    break
                }
                XCTAssertLessThan(attempt, 300, "no progress")
            }
            try assertSame("whole", name)
            XCTAssertEqual(try Files.names(in: "\(folder.path)/\(name)/checkpoints").filter { $0.contains("tmp") }, [])
            finished += 1
        }
        print("killed \(kills) times, finished \(finished) times")
    }

    func testInterruptedItSavesAndGoesOn() throws {
        try writeDataset(count: 48)
        let (process, errors) = try process("stopped", "", arguments: ["--set", "checkpoint.every=1000"])
        try process.run()
        let log = folder.path + "/stopped/metrics.jsonl"
        while process.isRunning, (try? Files.read(log))?.isEmpty ?? true { usleep(1000) }
        kill(process.processIdentifier, SIGINT)
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        XCTAssertEqual(process.terminationStatus, 130, text)
        XCTAssertTrue(text.contains("run the same command again to resume"), text)
        let (code, rest) = try finish("stopped", "", arguments: ["--set", "checkpoint.every=1000"])
        XCTAssertEqual(code, 0)
        XCTAssertTrue(rest.contains("resuming after batch"), rest)
        XCTAssertEqual(try metrics("stopped").count, 60)
    }

    func testAdaptersAsPEFTKeepsThem() throws {
        try writeDataset(count: 8)
        let (code, text) = try finish(
            "adapters",
            "trainable: lora\nlora: {rank: 2, alpha: 4, targets: [q_proj, down_proj]}\nexport: {format: peft}")
        XCTAssertEqual(code, 0, text)
        let config = try Files.readJSON(folder.path + "/adapters/model/adapter_config.json")
        XCTAssertEqual(config["r"]?.int, 2)
        XCTAssertTrue(Files.exists(folder.path + "/adapters/model/adapter_model.safetensors"))
    }

    func testWhatIsWrongWithAConfigurationIsNamed() throws {
        try writeDataset(count: 8)
        let cases: [(String, [String], String)] = [
            ("methd: {}", [], "unknown field \"methd\"; did you mean \"method\"?"),
            ("", ["--set", "method.kep=3"], "method: unknown field \"kep\"; did you mean \"keep\"?"),
            ("", ["--set", "nonsense=3"], "unknown field \"nonsense\"; known fields are model, data"),
            ("", ["--set", "batch_size=0"], "batch_size is 0; expected an integer from 1"),
            ("", ["--set", "batch_size=many"], "batch_size is \"many\"; expected an integer"),
            ("", ["--set", "method.keep=5"], "method.keep is 5, but a batch has 4 pairs"),
            ("", ["--set", "method.preset=best"], "preset is \"best\"; expected one of paper, released"),
            ("", ["--set", "method.beta=-1"], "beta is -1.0; it must be positive"),
            ("", ["--set", "schedule.kind=step"], "kind is \"step\"; expected one of constant, linear, cosine"),
            ("", ["--set", "trainable=[no.such.*]"], "no weight matches no.such.*"),
            ("", ["--set", "trainable=everything"], "expected full, lora, projector, or a list"),
            ("lora: {rank: 2}", [], "unless trainable is lora"),
            ("trainable: lora", ["--set", "lora.targets=[z_proj]"], "LoRA target \"z_proj\" is unknown"),
            ("trainable: lora", ["--set", "lora.dropout=1"], "LoRA dropout is 1.0; it must be 0 or more, and below 1"),
            ("", ["--set", "export.format=peft"], "it requires trainable: lora"),
            ("", ["--set", "model=/nowhere"], "/nowhere"), ("", ["--set", "data=/nowhere"], "/nowhere"),
            ("", ["--set", "oops"], "expected key=value"), ("a: [", [], ".yaml"), ("- list", [], ".yaml"),
            ("", ["--set", "seed.deep=1"], "the value before \"deep\" is a number"),
            ("", ["--set", "system=123"], "system is 123; expected a string"),
        ]
        for (more, arguments, message) in cases {
            let (code, text) = try finish("wrong", more, arguments: arguments)
            XCTAssertEqual(code, 1, "\(more) \(arguments)")
            XCTAssertTrue(text.contains(message), "\(more) \(arguments): \(text) lacks \(message)")
            XCTAssertEqual(text.split(separator: "\n").count, 1, text)
        }
        // A quoted number is text, and so is YAML 1.1's "no".
        let (code, text) = try finish(
            "texts", "", arguments: ["--set", "system='123'", "--set", "template=no", "--set", "max_steps=1"])
        XCTAssertEqual(code, 1)
        XCTAssertTrue(text.contains("no"), text)
        XCTAssertFalse(text.contains("expected a string"), text)
    }
}
