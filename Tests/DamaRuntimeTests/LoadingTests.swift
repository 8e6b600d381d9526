import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaRuntime

final class LoadingTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    func testLoadsOnceForTheProcess() throws {
        let first = try OnnxRuntime.load()
        let second = try OnnxRuntime.load(path: first.path, threads: 7)
        XCTAssertTrue(first === second)
        XCTAssertTrue(OnnxRuntime.isNewEnough(first.version), first.version)
        XCTAssertTrue(first.providers.contains("CPUExecutionProvider"))
    }

    func testVersions() {
        for (version, isEnough) in [
            ("1.21.0", true), ("1.32.0", true), ("2.0.0", true), ("1.20.1", false), ("1.9", false), ("0.30.0", false),
            ("", false), ("nonsense", false),
        ] {
            XCTAssertEqual(OnnxRuntime.isNewEnough(version), isEnough, version)
        }
    }

    func testASecondRuntimeIsRefused() throws {
        _ = try OnnxRuntime.load()
        assertFails(.unsupported, "already") { _ = try OnnxRuntime.load(path: "/lib/other.so") }
    }

    /// The system's loader would wait forever for a writer of the FIFO.
    func testAFifoIsNoRuntime() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/libonnxruntime.so"
        XCTAssertEqual(mkfifo(path, 0o600), 0)
        assertFails(.unsupported, "is not a regular file") { _ = try OnnxRuntime.open(path: path) }
    }

    func testThreadsOutOfRange() {
        for threads in [-1, 1025] {
            assertFails(.invalidArgument, "threads is \(threads)") {
                _ = try OnnxRuntime.load(threads: threads)
            }
        }
    }

    func testNoRuntime() throws {
        let given = getenv(OnnxRuntime.pathVariable).map { String(cString: $0) }
        defer { if let given { setenv(OnnxRuntime.pathVariable, given, 1) } }

        unsetenv(OnnxRuntime.pathVariable)
        if dlopen("libonnxruntime.so.1", RTLD_LAZY) == nil, dlopen("libonnxruntime.so", RTLD_LAZY) == nil {
            assertFails(.unsupported, "pip install onnxruntime") {
                _ = try OnnxRuntime.open(path: nil)
            }
        }
        setenv(OnnxRuntime.pathVariable, "/nowhere/libonnxruntime.so", 1)
        assertFails(.unsupported, "/nowhere/libonnxruntime.so ($DAMA_ONNXRUNTIME)") {
            _ = try OnnxRuntime.open(path: nil)
        }
        assertFails(.unsupported, "(the given path)") {
            _ = try OnnxRuntime.open(path: "/nowhere/x.so")
        }
    }

    func testFilesThatAreNoRuntime() throws {
        assertFails(.unsupported, "cannot open") {
            _ = try OnnxRuntime.open(path: Fixtures.path("make_models.py"))
        }
        let other = try compile("int something_else(void) { return 1; }")
        assertFails(.unsupported, "does not have the function OrtGetApiBase") {
            _ = try OnnxRuntime(opening: try OnnxRuntime.open(path: other), threads: 0)
        }
    }

    func testARuntimeThatIsTooOld() throws {
        let old = try compile(
            """
            struct base { const void *(*get)(unsigned); const char *(*version)(void); };
            static const void *get(unsigned version) { (void)version; return 0; }
            static const char *version(void) { return "1.20.1"; }
            static const struct base base = {get, version};
            const struct base *OrtGetApiBase(void) { return &base; }
            """)
        assertFails(.unsupported, "is ONNX Runtime 1.20.1; 1.21 or later is needed") {
            _ = try OnnxRuntime(opening: try OnnxRuntime.open(path: old), threads: 0)
        }
    }

    func testDeviceNames() throws {
        XCTAssertEqual(try Device("cpu"), .cpu)
        XCTAssertEqual(try Device("cuda"), .cuda(0))
        XCTAssertEqual(try Device("cuda:3"), .cuda(3))
        for name in ["", "gpu", "cuda:", "cuda:-1", "cuda:1:2", "CPU"] {
            assertFails(.invalidArgument, "'\(name)'") { _ = try Device(name) }
        }
    }

    func testAProviderThatIsMissing() throws {
        let runtime = try OnnxRuntime.load()
        try XCTSkipIf(runtime.providers.contains("CUDAExecutionProvider"))
        assertFails(.unsupported, "CPUExecutionProvider") {
            try runtime.requireProvider(for: .cuda(0))
        }
    }

    /// A shared library from C source.
    private func compile(_ source: String) throws -> String {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        addTeardownBlock { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("library.c")
        let library = folder.appendingPathComponent("library.so")
        try source.write(to: file, atomically: true, encoding: .utf8)
        let compiler = Process()
        compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        compiler.arguments = ["cc", "-shared", "-fPIC", "-o", library.path, file.path]
        try compiler.run()
        compiler.waitUntilExit()
        XCTAssertEqual(compiler.terminationStatus, 0)
        return library.path
    }
}
