import Foundation
import XCTest

extension XCTestCase {
    /// A program of this package, in the folder of the tests' own.
    package static func product(_ name: String) throws -> URL {
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent(name)
    }
}
