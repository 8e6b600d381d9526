import DamaSupport
import Foundation

/// An empty directory that is removed with the object.
public final class TemporaryDirectory {
    public let path: String

    public init() throws {
        var template = Array("/tmp/dama-tests-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw DamaError.io("mkdtemp: \(describeErrno())") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Writes a file into the directory and returns its path.
    @discardableResult
    public func write(_ bytes: some Collection<UInt8>, to name: String) throws -> String {
        try Files.writeAtomically(bytes, to: "\(path)/\(name)")
        return "\(path)/\(name)"
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }
}
