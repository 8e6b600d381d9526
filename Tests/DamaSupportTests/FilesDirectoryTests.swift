import DamaTestSupport
import XCTest

@testable import DamaSupport

final class FilesDirectoryTests: XCTestCase {
    // A slash followed by a combining mark is a separator: otherwise images were searched one folder above.
    func testTheFolderOfAPath() {
        for (path, folder) in [
            ("a", "."), ("a/b", "a"), ("/a", "/"), ("/a/b", "/a"), ("/a/\u{301}b", "/a"),
            ("/\u{301}a/\u{20D0}", "/\u{301}a"),
        ] {
            XCTAssertTrue(Files.folder(of: path).utf8.elementsEqual(folder.utf8), path)
        }
    }

    private var folder: TemporaryDirectory!
    private var target: String { folder.path + "/target" }

    override func setUpWithError() throws { folder = try TemporaryDirectory() }

    private func fill(_ name: String) -> (String) throws(DamaError) -> Void {
        { directory throws(DamaError) in try Files.writeAtomically(Array(name.utf8), to: "\(directory)/\(name)") }
    }

    func testADirectoryIsReplacedAsOne() throws {
        for name in ["first", "second", "third"] {
            try Files.replaceDirectory(target, fill: fill(name))
            XCTAssertEqual(try Files.names(in: target), [name])
            XCTAssertEqual(try Files.names(in: folder.path), ["target"])
        }
    }

    func testAFailureLeavesWhatWasThere() throws {
        try Files.replaceDirectory(target, fill: fill("old"))
        let fill = fill("new")
        assertFails(.io, "no more") {
            try Files.replaceDirectory(target) { directory throws(DamaError) in
                try fill(directory)
                throw .io("no more")
            }
        }
        XCTAssertEqual(try Files.names(in: target), ["old"])
        XCTAssertEqual(try Files.names(in: folder.path), ["target"])
        try folder.write([1], to: "file")
        assertFails(.io, "cannot rename") { try Files.replaceDirectory(folder.path + "/file", fill: fill) }
        XCTAssertEqual(try Files.read(folder.path + "/file"), [1])
    }

    /// For file systems that cannot exchange two names.
    func testReplacingByAThirdName() throws {
        try Files.replaceDirectory(target, fill: fill("old"))
        try Files.replaceDirectory(folder.path + "/new", fill: fill("new"))
        try Files.moveAside(folder.path + "/new", target)
        XCTAssertEqual(try Files.names(in: target), ["new"])
        XCTAssertEqual(try Files.names(in: folder.path), ["target"])
        assertFails(.io, "cannot rename") { try Files.moveAside(folder.path + "/none", target) }
        XCTAssertEqual(try Files.names(in: target), ["new"])
    }

    func testATreeIsRemovedWithoutFollowingLinks() throws {
        try folder.write([1], to: "kept")
        let manager = FileManager.default
        try manager.createDirectory(atPath: target + "/a/b", withIntermediateDirectories: true)
        try folder.write([2], to: "target/a/b/c")
        try manager.createSymbolicLink(atPath: target + "/a/link", withDestinationPath: folder.path)
        Files.removeTree(target)
        XCTAssertEqual(try Files.names(in: folder.path), ["kept"])
        Files.removeTree(target)
    }
}
