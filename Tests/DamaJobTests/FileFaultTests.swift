import Dama
import DamaTestSupport
import Synchronization
import XCTest

@testable import DamaSupport

/// For every n, the n-th call of a kind fails. The job reports a clear error, and the next run produces the bytes of a
/// run without failures.
final class FileFaultTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private enum Kind: CaseIterable {
        case open, write, truncate, synchronize, rename, makeDirectory, remove

        init(_ call: borrowing FileCall) {
            switch call {
            case .open: self = .open
            case .write: self = .write
            case .truncate: self = .truncate
            case .synchronize, .synchronizeDirectory: self = .synchronize
            case .rename, .exchange: self = .rename
            case .makeDirectory: self = .makeDirectory
            case .remove: self = .remove
            }
        }

        /// A plausible failure of such a call.
        var code: Int32 {
            switch self {
            case .open: EMFILE
            case .write, .makeDirectory: ENOSPC
            case .truncate, .synchronize, .rename, .remove: EIO
            }
        }
    }

    /// Makes the call number `failing` of a kind fail, from 1 on, and counts the calls.
    private final class Fault: Sendable {
        private let counted = Atomic(0)
        var count: Int { counted.load(ordering: .sequentiallyConsistent) }

        init(_ kind: Kind, at failing: Int) {
            FileCall.setHook { [self] call in
                guard Kind(call) == kind else { return 0 }
                let number = counted.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
                return number == failing ? kind.code : 0
            }
        }
    }

    private func check(_ make: (String) throws -> SmallJob) throws {
        let folder = try TemporaryDirectory(isInMemory: true)
        let inputs = folder.path + "/inputs"
        try Files.makeDirectory(inputs)
        let job = try make(inputs)
        let whole = folder.path + "/whole"
        try Files.makeDirectory(whole)
        try job.run(whole)
        let expected = try job.contents(of: whole)
        var failures = 0
        var faults = 0
        var counts: [Kind: Int] = [:]
        for kind in Kind.allCases {
            for number in 1... {
                let place = "\(folder.path)/\(kind)\(number)"
                try Files.makeDirectory(place)
                let fault = Fault(kind, at: number)
                do {
                    defer { FileCall.setHook(nil) }
                    try job.run(place)
                } catch let error as DamaError {
                    failures += 1
                    XCTAssertEqual(error.code, .io, "\(job.name), \(kind) \(number): \(error.message)")
                    // A file of the job or of the model.
                    XCTAssertTrue(error.message.contains(" /"), "\(kind) \(number) names no file: \(error.message)")
                    XCTAssertTrue(
                        error.message.contains(String(cString: strerror(kind.code))),
                        "\(kind) \(number): \(error.message)")
                    XCTAssertFalse(error.message.contains("\n"))
                }
                guard fault.count >= number else { break }
                faults += 1
                counts[kind, default: 0] += 1
                // No result is incomplete.
                for name in job.results where Files.exists("\(place)/\(name)") && !name.hasSuffix("metrics.jsonl") {
                    XCTAssertEqual(
                        try Files.read("\(place)/\(name)"), expected[name], "\(job.name), \(kind) \(number): \(name)")
                }
                do {
                    try job.run(place)
                    XCTAssertEqual(try job.contents(of: place), expected, "\(job.name), \(kind) \(number)")
                } catch {
                    XCTFail("\(job.name) cannot go on after \(kind) \(number): \(error)")
                }
                try FileManager.default.removeItem(atPath: place)
            }
        }
        print("\(job.name): \(counts)")
        print("\(job.name): \(faults) calls failed in turn, \(failures) of them stopped the job")
        XCTAssertGreaterThan(failures, 30)
    }

    func testJobsOverRows() throws {
        for job in SmallJob.rowJobs { try check(job) }
    }

    func testTrain() throws { try check(SmallJob.train) }
}
