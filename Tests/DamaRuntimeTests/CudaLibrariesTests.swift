import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaRuntime

/// What a machine without CUDA's libraries, or with those of another version, is told.
///
/// The names are those that `readelf -d libonnxruntime_providers_cuda.so` shows for the wheels onnxruntime-gpu 1.22.0
/// and 1.31.1. The message of a missing cuDNN is in the provider of 1.31.1. Both runtimes return no more than "Failed
/// to load shared library" from SessionOptionsAppendExecutionProvider_CUDA_V2, and end the process in
/// CreateAndRegisterAllocatorV2.
final class CudaLibrariesTests: XCTestCase {
    private static let twelve = [
        "libcublasLt.so.12", "libcublas.so.12", "libcurand.so.10", "libcufft.so.11", "libcudart.so.12",
        "libcudnn.so.9", "libdl.so.2", "librt.so.1", "libnvrtc.so.12", "libpthread.so.0", "libstdc++.so.6", "libm.so.6",
        "libgcc_s.so.1", "libc.so.6", "ld-linux-x86-64.so.2",
    ]
    private static let thirteen = [
        "libcublasLt.so.13", "libcublas.so.13", "libcurand.so.10", "libcudart.so.13", "libcuda.so.1", "libdl.so.2",
        "librt.so.1", "libpthread.so.0", "libstdc++.so.6", "libm.so.6", "libgcc_s.so.1", "libc.so.6",
        "ld-linux-x86-64.so.2",
    ]

    private func problem(
        _ runtime: String, _ needed: [String], missing: [String] = [], driver: Int, others: [String] = []
    ) -> String? {
        CudaLibraries(runtime: runtime, needed: needed, missing: missing, driver: driver, others: others).problem
    }

    func testMissingLibraries() {
        XCTAssertEqual(
            problem("1.31.1", Self.thirteen, missing: ["libcublasLt.so.13", "libcudart.so.13"], driver: 13000),
            "ONNX Runtime 1.31.1 is built for CUDA 13, and the loader does not find libcublasLt.so.13, "
                + "libcudart.so.13; `pip install nvidia-cublas nvidia-cuda-runtime` brings them, and LD_LIBRARY_PATH "
                + "must name their folders; the driver runs CUDA up to 13.0")
        XCTAssertEqual(
            problem("1.22.0", Self.twelve, missing: ["libcudnn.so.9"], driver: 12080),
            "ONNX Runtime 1.22.0 is built for CUDA 12, and the loader does not find libcudnn.so.9; "
                + "`pip install nvidia-cudnn-cu12` brings it, and LD_LIBRARY_PATH must name its folder; the driver "
                + "runs CUDA up to 12.8")
        XCTAssertEqual(
            problem(
                "1.31.1", Self.thirteen, missing: ["libcublasLt.so.13", "libcublas.so.13"], driver: 13000,
                others: ["libcublasLt.so.12"]),
            "ONNX Runtime 1.31.1 is built for CUDA 13, and the loader does not find libcublasLt.so.13, libcublas.so.13 "
                + "(there is libcublasLt.so.12, of another version); `pip install nvidia-cublas` brings it, and "
                + "LD_LIBRARY_PATH must name its folder; the driver runs CUDA up to 13.0")
    }

    func testADriverThatIsTooOld() {
        XCTAssertEqual(
            problem("1.31.1", Self.thirteen, driver: 12040),
            "the CUDA driver runs CUDA up to 12.4, and ONNX Runtime 1.31.1 is built for CUDA 13: update the driver to "
                + "580 or later, or install an onnxruntime-gpu that is built for CUDA 12")
        XCTAssertNil(problem("1.22.0", Self.twelve, driver: 13000))
        XCTAssertNil(problem("1.31.1", Self.thirteen, driver: 13010))
    }

    /// cuDNN is opened when the provider first needs it.
    func testALibraryThatIsOpenedLater() {
        let text =
            "cuDNN is not available. Install cuDNN, update the system library search path, or set enable_cudnn=0 to "
            + "force native CUDA paths where available."
        XCTAssertEqual(
            OnnxRuntime.missingLibrary(text)?.contains("the package nvidia-cudnn for its version of CUDA"), true)
        XCTAssertNil(OnnxRuntime.missingLibrary("Failed to allocate memory for requested buffer of size 5"))
    }

    // MARK: Reading a file

    /// This process's own libraries, as readelf lists them.
    func testNeedsOfALibrary() throws {
        let runtime = try XCTUnwrap(ProcessInfo.processInfo.environment[OnnxRuntime.pathVariable])
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["readelf", "-d", runtime]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        try XCTSkipIf(process.terminationStatus != 0, "there is no readelf")
        let expected = text.split(separator: "\n").filter { $0.contains("(NEEDED)") }.compactMap { line in
            line.split(separator: "[").last?.dropLast().description
        }
        XCTAssertFalse(expected.isEmpty)
        XCTAssertEqual(try NeededLibraries.read(runtime), expected)
    }

    /// A file cut at any byte, and one with any byte changed, is refused or gives names: nothing is read outside it.
    func testDamagedFiles() throws {
        let whole = try Self.library(needs: ["liba.so.1", "libb.so.2"])
        XCTAssertEqual(whole.withUnsafeBytes { NeededLibraries.names(in: $0) }, ["liba.so.1", "libb.so.2"])
        for length in whole.indices {
            let part = Array(whole[..<length])
            let found = part.withUnsafeBytes { NeededLibraries.names(in: $0) }
            XCTAssertTrue(found == nil || found == ["liba.so.1", "libb.so.2"], "\(length)")
        }
        for place in whole.indices {
            for value: UInt8 in [0, 1, 0x7F, 0xFF] {
                var damaged = whole
                damaged[place] = value
                _ = damaged.withUnsafeBytes { NeededLibraries.names(in: $0) }
            }
        }
        let folder = try TemporaryDirectory()
        try Files.writeAtomically(Array("text".utf8), to: "\(folder.path)/it.so")
        assertFails(.unsupported, "is not a shared library") { _ = try NeededLibraries.read("\(folder.path)/it.so") }
    }

    /// The least file that the reader takes: one segment that holds all of it, and the dynamic section.
    private static func library(needs names: [String]) throws -> [UInt8] {
        func word(_ number: Int, _ size: Int = 8) -> [UInt8] {
            (0..<size).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
        }
        var strings: [UInt8] = [0]
        var places: [Int] = []
        for name in names {
            places.append(strings.count)
            strings += Array(name.utf8) + [0]
        }
        let (dynamic, address) = (64 + 2 * 56, 0x1000)
        let size = 16 * (names.count + 2)
        let table = dynamic + size
        func segment(_ type: Int, _ offset: Int, _ length: Int) -> [UInt8] {
            word(type, 4) + word(4, 4) + word(offset) + word(address + offset) + word(address + offset) + word(length)
                + word(length) + word(8)
        }
        var bytes: [UInt8] = [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 9)
        bytes += word(3, 2) + word(62, 2) + word(1, 4) + word(0) + word(64) + word(0) + word(0, 4)
        bytes += word(64, 2) + word(56, 2) + word(2, 2) + word(0, 2) + word(0, 2) + word(0, 2)
        bytes += segment(1, 0, table + strings.count) + segment(2, dynamic, size)
        for place in places { bytes += word(1) + word(place) }
        bytes += word(5) + word(address + table) + word(0) + word(0)
        return bytes + strings
    }
}
