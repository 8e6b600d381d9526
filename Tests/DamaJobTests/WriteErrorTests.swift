import DamaTestSupport
import JobTestSupport
import XCTest

@testable import Dama

final class WriteErrorTests: JobTestCase {
    /// A file size limit simulates a disk that fills up while the job runs; with more space the job resumes.
    func testADiskThatFillsUpStopsTheJobWhichCanGoOn() throws {
        try Dataset(count: 60).write(to: folder.path)
        try run(options("whole.jsonl"))
        signal(SIGXFSZ, SIG_IGN)
        defer { signal(SIGXFSZ, SIG_DFL) }
        var old = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old)
        for size in [200, 3000, 9000, 15_000, 20_000] {
            var small = old
            small.rlim_cur = rlim_t(size)
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &small)
            defer { setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old) }
            assertFails(.io, "File too large") { try run(options()) }
        }
        try run(options())
        for suffix in ["jsonl", "summary.json"] {
            XCTAssertEqual(try bytes("scores.\(suffix)"), try bytes("whole.\(suffix)"))
        }
    }

    func testUnsuitableOutputsAreRefused() throws {
        try Dataset(count: 3).write(to: folder.path)
        var job = options()
        job.rows.output = "/dev/null"
        assertFails(.io, "/dev/null is not a regular file") { try run(job) }
        job.rows.output = folder.path + "/pairs.jsonl"
        assertFails(.invalidArgument, "is the dataset itself") { try run(job) }
        job.rows.output = folder.path + "/none/scores.jsonl"
        assertFails(.io, "cannot make the folder") { try run(job) }
        job = options()
        job.rows.data = folder.path + "/none.jsonl"
        assertFails(.io, "cannot open") { try run(job) }
        job.rows.data = "/dev/null"
        assertFails(.io, "not a regular file") { try run(job) }
        job = options()
        job.imageRoot = folder.path + "/none"
        assertFails(.io, "cannot open the image root") { try run(job) }
    }

    func testOptionsOutOfRangeAreRefused() throws {
        let changes: [(String, (inout ScoreOptions) -> Void)] = [
            ("dataset", { $0.rows.data = "" }), ("output", { $0.rows.output = "" }),
            ("block_rows", { $0.rows.blockRows = 0 }),
            ("block_rows", { $0.rows.blockRows = 5000 }),
            ("row_limit", { $0.rows.rowLimit = 0 }), ("workers", { $0.rows.workers = -1 }),
            ("max_rejected", { $0.rows.maximumRejected = -1 }), ("mean_delta", { $0.meanDelta = .nan }),
            ("cache", { $0.cacheBytes = -1 }), ("image_limit", { $0.imageByteLimit = 0 }),
            ("images_per_step", { $0.imagesPerStep = 0 }),
        ]
        for (text, change) in changes {
            var job = options()
            change(&job)
            assertFails(.invalidArgument, text) { try run(job) }
        }
    }
}
