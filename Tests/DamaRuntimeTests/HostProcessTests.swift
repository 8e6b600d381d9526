import DamaTestSupport
import Foundation
import XCTest

/// What the runtime leaves behind in the process and in the home folder of whoever uses it: nothing.
final class HostProcessTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    /// Runs RuntimeProcess with an empty home folder; what it prints, and what lies in the folder afterwards.
    private func run() throws -> (output: String, files: [String]) {
        let home = try TemporaryDirectory()
        let models = Fixtures.path("../../DamaModelsTests/Fixtures")
        let process = Process()
        process.executableURL = try Self.product("RuntimeProcess")
        process.arguments = ["\(models)/clip/exported", "\(models)/llava/default", "\(models)/llava/image.png"]
        var environment = ProcessInfo.processInfo.environment
        for name in ["XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "CI", "ORT_DISABLE_TELEMETRY"] {
            environment[name] = nil
        }
        environment["HOME"] = home.path
        process.environment = environment
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        XCTAssertEqual(process.terminationStatus, 0)
        return (
            String(decoding: output, as: UTF8.self),
            try FileManager.default.subpathsOfDirectory(atPath: home.path)
        )
    }

    /// ONNX Runtime from 1.29 on kept an identifier and a queue of reports in ~/.cache/Microsoft. The first session of a
    /// process took the bits from the calling thread that make denormal numbers zero.
    func testNothingIsLeftBehind() throws {
        let (output, files) = try run()
        XCTAssertEqual(output, "done\n")
        XCTAssertEqual(files, [])
    }
}
