import DamaTestSupport
import Foundation
import XCTest

/// The runtime leaves nothing behind in the process and in the user's home folder.
final class HostProcessTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    /// Runs RuntimeProcess with an empty home folder. Returns its output and the files in the folder afterwards.
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

    /// By default, ONNX Runtime from 1.29 on keeps an identifier and a queue of reports in ~/.cache/Microsoft, and the
    /// first session of a process clears the calling thread's bits that make denormal numbers zero.
    func testNothingIsLeftBehind() throws {
        let (output, files) = try run()
        XCTAssertEqual(output, "done\n")
        XCTAssertEqual(files, [])
    }
}
