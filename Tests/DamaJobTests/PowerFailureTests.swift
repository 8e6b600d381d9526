import Dama
import DamaTestSupport
import XCTest

/// A power failure discards writes that were not synchronised. Whenever it occurs, the job resumes and ends with the
/// same bytes.
final class PowerFailureTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let points = 1000

    private func check(_ make: (String) throws -> SmallJob) throws {
        let folder = try TemporaryDirectory(isInMemory: true)
        let inputs = folder.path + "/inputs"
        try Files.makeDirectory(inputs)
        let job = try make(inputs)
        let whole = folder.path + "/whole"
        try Files.makeDirectory(whole)
        let model = DiskModel(root: whole)
        try model.record { try job.run(whole) }
        let expected = try job.contents(of: whole)
        let calls = model.callCount
        XCTAssertGreaterThan(calls, 60)

        let seed = UInt64.random(in: 0...(.max))
        print("\(job.name): seed of the failures: \(seed)")
        var generator = RandomGenerator(seed: seed)
        // Rows reported as done are on disk even if the disk keeps no more than it must.
        let done = folder.path + "/done"
        try model.disk(at: calls, keepsLittle: true, using: &generator).write(to: done)
        XCTAssertEqual(try job.contents(of: done), expected, "\(job.name): lost after it had ended")

        var states: Set<[String: [UInt8]?]> = []
        for point in 0..<Self.points {
            let end = generator.uniform(below: calls + 1)
            let disk = model.disk(at: end, keepsLittle: point % 4 == 0, using: &generator)
            guard states.insert(disk).inserted else { continue }
            let place = "\(folder.path)/\(point)"
            try disk.write(to: place)
            do {
                try job.run(place)
                let found = try job.contents(of: place)
                for (name, bytes) in expected {
                    XCTAssertEqual(found[name], bytes, "\(job.name), failed before call \(end): \(name)")
                }
            } catch {
                let names = disk.map { "\($0.key) \($0.value?.count ?? -1)" }.sorted()
                XCTFail("\(job.name), failed before call \(end) of \(calls), with \(names): \(error)")
                return
            }
            try FileManager.default.removeItem(atPath: place)
        }
        print("\(job.name): \(Self.points) failures in \(calls) calls, \(states.count) different disks")
        XCTAssertGreaterThan(states.count, 30)
    }

    func testJobsOverRows() throws {
        for job in SmallJob.rowJobs { try check(job) }
    }

    func testTrain() throws { try check(SmallJob.train) }
}
