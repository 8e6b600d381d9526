import DamaTestSupport
import XCTest

@testable import DamaModels
@testable import DamaSupport

/// A reader of a FIFO in a model's directory would wait forever for a writer.
final class FifoTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    /// Opens a copy of a model in which each file in turn is a FIFO.
    private func check(_ model: String, _ open: @escaping @Sendable (String) throws -> Void) throws {
        let names = try Files.names(in: model).filter { !["expected.json", "expected"].contains($0) }
        XCTAssertGreaterThan(names.count, 3)
        var refused = 0
        for name in names where Files.isRegularFile("\(model)/\(name)") {
            let folder = try TemporaryDirectory()
            for other in names where other != name {
                try FileManager.default.copyItem(atPath: "\(model)/\(other)", toPath: "\(folder.path)/\(other)")
            }
            let fifo = "\(folder.path)/\(name)"
            XCTAssertEqual(mkfifo(fifo, 0o600), 0)
            let done = expectation(description: name)
            let path = folder.path
            let outcome = Outcome()
            Thread.detachNewThread {
                do {
                    try open(path)
                } catch {
                    outcome.set(error)
                }
                done.fulfill()
            }
            wait(for: [done], timeout: 60)
            // Releases a reader that still waits.
            let descriptor = Glibc.open(fifo, O_RDWR | O_NONBLOCK)
            close(descriptor)
            if let error = outcome.error as? DamaError {
                refused += 1
                XCTAssertTrue(error.message.contains(name), "\(name): \(error.message)")
            }
        }
        XCTAssertGreaterThan(refused, 2, "\(model): no file was read")
    }

    private final class Outcome: @unchecked Sendable {
        private let lock = NSLock()
        private var stored: (any Error)?
        var error: (any Error)? { lock.withLock { stored } }
        func set(_ error: any Error) { lock.withLock { stored = error } }
    }

    func testPolicy() throws {
        try check(Fixtures.path("llava/default")) { _ = try Policy(directory: $0) }
    }

    func testEncoder() throws {
        try check(Fixtures.path("../../../models/shapes-clip")) { _ = try DualEncoder(directory: $0) }
    }
}
