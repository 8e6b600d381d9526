import DamaTestSupport
import Foundation
import XCTest

@testable import Dama

/// Paths below an image root. A path names the file that the kernel opens for it.
final class ImageRootTests: XCTestCase {
    private func read(_ root: ImageRoot, _ path: String) throws -> [UInt8] {
        var stamp: ImageStamp?
        return try root.read(.path(path), stamp: &stamp)
    }

    private func assertRejected(
        _ root: ImageRoot, _ path: String, _ kind: Rejection.Kind, line: UInt = #line
    ) {
        XCTAssertThrowsError(try read(root, path), path, line: line) { error in
            guard case .row(let rejection)? = error as? RowFailure else { return XCTFail("\(error)", line: line) }
            XCTAssertEqual(rejection.kind, kind, rejection.reason, line: line)
        }
    }

    // An image root with a non-ASCII letter, and absolute paths below it. Before the fix, 123.jpg was read as 23.jpg.
    func testAbsolutePathsBelowARootWithLettersOutsideASCII() throws {
        let folder = try TemporaryDirectory()
        for name in ["José", "Jose\u{301}", "图像", "👩‍👩‍👧", "e\u{301}\u{301}\u{301}/ü", "a"] {
            let root = "\(folder.path)/\(name)"
            try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
            for file in ["123.jpg", "23.jpg", "3.jpg", "\u{301}3.jpg"] {
                try Files.writeAtomically(Array("\(name) \(file)".utf8), to: "\(root)/\(file)")
            }
            for given in [root, root + "/", root + "//"] {
                let images = try ImageRoot(path: given)
                for file in ["123.jpg", "23.jpg", "3.jpg", "\u{301}3.jpg"] {
                    for path in [file, "\(root)/\(file)", "\(root)//\(file)", "\(root)/./\(file)"] {
                        XCTAssertEqual(try read(images, path), Array("\(name) \(file)".utf8), path)
                    }
                }
            }
        }
    }

    /// "é" in one and in two code points are two files.
    func testCanonicallyEqualNamesAreTwoFiles() throws {
        let folder = try TemporaryDirectory()
        let (one, two) = ("caf\u{E9}", "cafe\u{301}")
        XCTAssertEqual(one, two, "to Swift they are equal")
        for name in [one, two] {
            try FileManager.default.createDirectory(atPath: "\(folder.path)/\(name)", withIntermediateDirectories: true)
            try Files.writeAtomically(Array(name.utf8), to: "\(folder.path)/\(name)/\(name).jpg")
        }
        let root = try ImageRoot(path: folder.path)
        for name in [one, two] {
            XCTAssertEqual(try read(root, "\(name)/\(name).jpg"), Array(name.utf8))
            XCTAssertEqual(try read(root, "\(folder.path)/\(name)/\(name).jpg"), Array(name.utf8))
            let inner = try ImageRoot(path: "\(folder.path)/\(name)")
            XCTAssertEqual(try read(inner, "\(folder.path)/\(name)/\(name).jpg"), Array(name.utf8))
            let other = name.utf8.elementsEqual(one.utf8) ? two : one
            assertRejected(inner, "\(folder.path)/\(other)/\(other).jpg", .imageOutsideRoot)
            assertRejected(root, "\(name)/\(other).jpg", .imageMissing)
        }
    }

    /// Names from all of Unicode: each file is found only by its own name.
    func testNamesFromAllOfUnicode() throws {
        let seed = UInt64.random(in: 0...(.max))
        print("seed of the names: \(seed)")
        var generator = RandomGenerator(seed: seed)
        func scalar() -> Unicode.Scalar {
            while true {
                // Combining marks and joiners are as likely as any other range, because they join characters.
                let ranges: [ClosedRange<UInt32>] = [
                    0x20...0x7E, 0x80...0x24F, 0x300...0x36F, 0x200B...0x200F, 0x1100...0x11FF, 0xAC00...0xACFF,
                    0xFE00...0xFE0F, 0x1F1E6...0x1F1FF, 0x1F300...0x1F6FF, 0x1...0x10FFFF,
                ]
                let range = ranges[generator.uniform(below: ranges.count)]
                let value = range.lowerBound + UInt32(generator.uniform(below: range.count))
                if let scalar = Unicode.Scalar(value), scalar != "/", value != 0 { return scalar }
            }
        }
        func name() -> String {
            while true {
                var scalars = String.UnicodeScalarView()
                for _ in 0...generator.uniform(below: 8) { scalars.append(scalar()) }
                let name = String(scalars)
                if name != "." && name != ".." { return name }
            }
        }
        for _ in 0..<60 {
            let folder = try TemporaryDirectory()
            let root = "\(folder.path)/\(name())"
            guard mkdir(root, 0o700) == 0 else { continue }
            var names: [String] = []
            for _ in 0..<4 {
                let file = name()
                let descriptor = open("\(root)/\(file)", O_WRONLY | O_CREAT | O_EXCL, 0o600)
                guard descriptor >= 0 else { continue }
                let bytes = Array(file.utf8)
                XCTAssertEqual(write(descriptor, bytes, bytes.count), bytes.count)
                close(descriptor)
                names.append(file)
            }
            let images = try ImageRoot(path: root)
            for file in names {
                XCTAssertEqual(try read(images, file), Array(file.utf8))
                XCTAssertEqual(try read(images, "\(root)/\(file)"), Array(file.utf8))
            }
        }
    }

    /// A root reached through a link: absolute paths through the link and through its target.
    func testARootBehindALink() throws {
        let folder = try TemporaryDirectory()
        try FileManager.default.createDirectory(
            atPath: folder.path + "/réal/sub", withIntermediateDirectories: true)
        try Files.writeAtomically([1], to: folder.path + "/réal/a.jpg")
        try Files.writeAtomically([2], to: folder.path + "/réal/sub/a.jpg")
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/lïnk", withDestinationPath: "réal")
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/other", withDestinationPath: "réal/sub")
        for given in ["/lïnk", "/lïnk/", "/réal", "/réal/../réal"] {
            let root = try ImageRoot(path: folder.path + given)
            for path in ["/lïnk/a.jpg", "/réal/a.jpg", "/lïnk/sub/../a.jpg", "/other/../a.jpg"] {
                XCTAssertEqual(try read(root, folder.path + path), [1], "\(given) \(path)")
            }
            for path in ["/lïnk/sub/a.jpg", "/réal/sub/a.jpg", "/other/a.jpg", "/lïnk//sub/./a.jpg"] {
                XCTAssertEqual(try read(root, folder.path + path), [2], "\(given) \(path)")
            }
            assertRejected(root, folder.path + "/réal/../outside.jpg", .imageOutsideRoot)
            assertRejected(root, folder.path + "/réalistic/a.jpg", .imageOutsideRoot)
            assertRejected(root, folder.path + "/réal", .imageOutsideRoot)
            assertRejected(root, folder.path + "/réal/none.jpg", .imageMissing)
            assertRejected(root, "", .imageMissing)
            assertRejected(root, ".", .imageUnreadable)
            assertRejected(root, "a.jpg\0.png", .imageMissing)
        }
        let top = try ImageRoot(path: "/")
        XCTAssertEqual(try read(top, folder.path + "/réal/a.jpg"), [1])
        XCTAssertEqual(try read(top, String(folder.path.dropFirst()) + "/réal/a.jpg"), [1])
    }

    // Before the fix, a subfolder that links to another disk was refused, with no way to allow it.
    func testLinksOutOfTheRootAreFollowedWhereThatIsAskedFor() throws {
        let folder = try TemporaryDirectory()
        for name in ["/root", "/coco"] {
            try FileManager.default.createDirectory(atPath: folder.path + name, withIntermediateDirectories: true)
        }
        try Files.writeAtomically([3], to: folder.path + "/coco/a.jpg")
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/root/coco", withDestinationPath: folder.path + "/coco")
        XCTAssertEqual(mkfifo(folder.path + "/coco/pipe", 0o600), 0)
        let strict = try ImageRoot(path: folder.path + "/root")
        assertRejected(strict, "coco/a.jpg", .imageOutsideRoot)
        let following = try ImageRoot(path: folder.path + "/root", followsLinks: true)
        for path in ["coco/a.jpg", "./coco//a.jpg", "x/../coco/a.jpg", folder.path + "/root/coco/a.jpg"] {
            XCTAssertEqual(try read(following, path), [3], path)
        }
        for path in ["../coco/a.jpg", "coco/../../coco/a.jpg", folder.path + "/coco/a.jpg", "/etc/hostname"] {
            assertRejected(following, path, .imageOutsideRoot)
        }
        assertRejected(following, "coco/pipe", .imageUnreadable)
        assertRejected(following, "coco/none.jpg", .imageMissing)
    }

    /// Stamps of an unchanged file, of a touched one, and of a changed one.
    func testAStampTellsWhetherAnImageHasChanged() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/a.jpg"
        try Files.writeAtomically([1, 2], to: path)
        let root = try ImageRoot(path: folder.path)
        var stamp: ImageStamp?
        _ = try root.read(.path("a.jpg"), stamp: &stamp)
        var writer = ByteWriter()
        try XCTUnwrap(stamp).append(to: &writer)
        var reader = ByteReader(writer.bytes[...], name: "stamp")
        let stored = try ImageStamp(&reader)
        XCTAssertEqual(stored, stamp)
        try root.verify(stored)
        try Files.writeAtomically([1, 2], to: path)
        try root.verify(stored)
        try Files.writeAtomically([1, 3], to: path)
        assertFails(.invalidArgument, "\"a.jpg\" has other contents now") { try root.verify(stored) }
        unlink(path)
        assertFails(.invalidArgument, "image \"a.jpg\" does not exist") { try root.verify(stored) }
        var missing: ImageStamp?
        XCTAssertThrowsError(try root.read(.path("a.jpg"), stamp: &missing))
        let none = try XCTUnwrap(missing)
        try root.verify(none)
        try Files.writeAtomically([1], to: path)
        assertFails(.invalidArgument, "\"a.jpg\" could not be read before and can be read now") {
            try root.verify(none)
        }
    }
}
