import DamaTestSupport
import XCTest

@testable import Dama

/// The bytes of event files. Tests/Torch/test_events.py checks that TensorBoard shows them.
final class EventFileTests: XCTestCase {
    private var folder: TemporaryDirectory!

    override func setUpWithError() throws { folder = try TemporaryDirectory() }

    func testBytesEqualThoseOfTensorBoardsWriter() throws {
        // The first reading of the clock names the file; the others match Fixtures/make_events.py.
        var readings = [1_800_000_000.5] + (0..<6).map { 1_800_000_000.125 + Double($0) }
        let writer = try EventFileWriter(directory: folder.path + "/events", resumingAt: 5) { readings.removeFirst() }
        try writer.add(step: 0, scalars: [("loss", 0.6931471805599453), ("beta/mean", 0.1)])
        try writer.add(step: 1, scalars: [("loss", -2.5e-8), ("reward/chosen", .infinity), ("Bewertung ä", 3)])
        try writer.add(step: 300, scalars: [])
        try writer.add(step: 1 << 40, scalars: [("loss", 1e300), ("gradient_norm", 0)])
        XCTAssertEqual(try Files.read(writer.path), try Files.read(Fixtures.path("events.tfevents")))
    }

    func testEachRunHasItsFile() throws {
        let directory = folder.path + "/events"
        // Kept alive, so that all are open at once.
        let writers = try (0..<3).map { _ in try EventFileWriter(directory: directory) }
        let names = try Files.names(in: directory)
        XCTAssertEqual(Set(writers.map(\.path)), Set(names.map { "\(directory)/\($0)" }))
        XCTAssertEqual(names.count, 3)
        for name in names {
            XCTAssertNotNil(name.wholeMatch(of: /events\.out\.tfevents\.\d{10}\.[^\/]+\.\d+\.\d+\.dama/), name)
        }
    }

    func testWhatTheDiskRefusesIsNamedAndLeavesWholeEvents() throws {
        assertFails(.io, "cannot make the folder") { _ = try EventFileWriter(directory: folder.path + "/none/events") }
        try folder.write([], to: "file")
        assertFails(.io, "cannot make the folder") { _ = try EventFileWriter(directory: folder.path + "/file") }

        // A file size limit simulates a full disk.
        let writer = try EventFileWriter(directory: folder.path + "/events")
        try writer.add(step: 1, scalars: [("loss", 1)])
        let before = try Files.read(writer.path)
        signal(SIGXFSZ, SIG_IGN)
        defer { signal(SIGXFSZ, SIG_DFL) }
        var old = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old)
        do {
            var small = old
            small.rlim_cur = rlim_t(before.count + 20)
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &small)
            defer { setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old) }
            assertFails(.io, "File too large") { try writer.add(step: 2, scalars: [("loss", 2)]) }
        }
        XCTAssertEqual(try Files.read(writer.path), before)
        try writer.add(step: 3, scalars: [("loss", 3)])
        XCTAssertEqual(try Files.read(writer.path).prefix(before.count), before[...])
    }
}
