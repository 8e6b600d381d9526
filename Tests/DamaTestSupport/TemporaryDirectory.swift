import DamaSupport
import Foundation

/// An empty directory that is removed with the object.
package final class TemporaryDirectory {
    package let path: String

    /// - Parameter isInMemory: In memory if the system has such a place, for tests that synchronise files very often.
    package init(isInMemory: Bool = false) throws {
        let place = isInMemory && Files.isDirectory("/dev/shm") && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        var template = Array("\(place)/dama-tests-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw DamaError.io("mkdtemp: \(describeErrno())") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Writes a file into the directory and returns its path.
    @discardableResult
    package func write(_ bytes: some Collection<UInt8>, to name: String) throws -> String {
        try Files.writeAtomically(bytes, to: "\(path)/\(name)")
        return "\(path)/\(name)"
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }
}
