import CDamaShims
import DamaImage
import DamaSupport
import Glibc

/// The folder that holds a dataset's images. Paths cannot leave it through `..`, nor through symbolic links unless
/// links are followed.
///
/// Paths are handled as bytes. Swift's `String` works with characters, which may consist of several bytes and compare
/// equal although their bytes differ.
package final class ImageRoot: Sendable {
    /// The folder's path with all links resolved.
    package let path: String
    private let descriptor: Int32
    /// The maximum size of one image file, in bytes.
    private let byteLimit: Int
    /// Whether links in the folder may lead out of it.
    private let followsLinks: Bool
    /// The prefixes of an absolute path below the folder, each ending in a slash.
    private let prefixes: [[UInt8]]

    /// - Throws: ``DamaError/Code/io`` if `path` is not a readable folder.
    package init(path: String, byteLimit: Int = 64 << 20, followsLinks: Bool = false) throws(DamaError) {
        guard byteLimit >= 1 else {
            throw .invalidArgument("the limit for one image must be at least 1 byte, found \(byteLimit)")
        }
        guard let resolved = Self.resolve(Array(path.utf8)) else {
            throw .io("cannot open the image root \(path): \(describeErrno())")
        }
        self.path = String(decoding: resolved, as: UTF8.self)
        descriptor = resolved.withPath { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw .io("cannot open the image root \(path): \(describeErrno())") }
        self.byteLimit = byteLimit
        self.followsLinks = followsLinks
        prefixes = [resolved, Self.absolute(Array(path.utf8))].map { Self.withoutSlashes($0) + [Self.slash] }
    }

    deinit { close(descriptor) }

    /// The bytes of a row's images.
    ///
    /// - Parameter stamps: Gets the state of each file, also of one that cannot be read.
    func read(_ images: [RowImage], stamps: inout [ImageStamp]) throws(RowFailure) -> [[UInt8]] {
        var files: [[UInt8]] = []
        for image in images {
            var stamp: ImageStamp?
            do throws(RowFailure) {
                files.append(try read(image, stamp: &stamp))
            } catch {
                if let stamp { stamps.append(stamp) }
                throw error
            }
            if let stamp { stamps.append(stamp) }
        }
        return files
    }

    /// The bytes of one image.
    ///
    /// - Parameter stamp: Set to the state of the file, even if it cannot be read; `nil` for an image embedded in the
    ///   row.
    func read(_ image: RowImage, stamp: inout ImageStamp?) throws(RowFailure) -> [UInt8] {
        switch image {
        case .bytes(let bytes):
            guard bytes.count <= byteLimit else { throw tooLarge(image.name, bytes.count) }
            return bytes
        case .path(let path):
            stamp = .unread(path)
            let (file, status) = try opened(path)
            defer { close(file) }
            do throws(DamaError) {
                try Allocation.check(Int(status.st_size), for: image.name)
            } catch {
                throw .job(error)
            }
            guard let bytes = OpenFile.read(file, Int(status.st_size), at: 0) else { throw failure(path) }
            stamp = ImageStamp(path: path, digest: ContentKey(image: bytes), status)
            return bytes
        }
    }

    /// Checks that an image has not changed.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` if it has changed.
    func verify(_ stamp: ImageStamp) throws(DamaError) {
        let name = RowImage.path(stamp.path).name
        do throws(RowFailure) {
            let (file, status) = try opened(stamp.path)
            defer { close(file) }
            guard let digest = stamp.digest else {
                throw .job(.invalidArgument("\(name) could not be read before and can be read now"))
            }
            // A file with other times may still have the same contents.
            guard !stamp.isOf(status) else { return }
            guard let bytes = OpenFile.read(file, Int(status.st_size), at: 0) else { throw failure(stamp.path) }
            guard ContentKey(image: bytes) == digest else {
                throw .job(.invalidArgument("\(name) has other contents now"))
            }
        } catch {
            switch error {
            case .row(let rejection): if stamp.digest != nil { throw .invalidArgument(rejection.reason) }
            case .job(let error): throw error
            }
        }
    }

    /// Opens a regular file no larger than the limit.
    private func opened(_ name: String) throws(RowFailure) -> (Int32, stat) {
        let bytes = Array(name.utf8)
        guard !bytes.contains(0) else {
            throw .row(Rejection(.imageMissing, "the image path contains a NUL character"))
        }
        let relative = relative(bytes)
        let file: Int32
        if followsLinks {
            guard let inside = Self.withoutDots(relative) else { throw outside(name) }
            file = inside.withPath { cdama_open_following(descriptor, $0) }
        } else {
            file = relative.withPath { cdama_open_beneath(descriptor, $0) }
        }
        guard file >= 0 else { throw failure(name) }
        var status = stat()
        guard fstat(file, &status) == 0 else {
            let error = failure(name)
            close(file)
            throw error
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            close(file)
            throw .row(Rejection(.imageUnreadable, "\(RowImage.path(name).name) is not a regular file"))
        }
        guard status.st_size <= byteLimit else {
            close(file)
            throw tooLarge(RowImage.path(name).name, Int(status.st_size))
        }
        return (file, status)
    }

    // MARK: Paths

    private static let slash = UInt8(ascii: "/")

    /// The path relative to the folder. An absolute path that does not lead into the folder is returned unchanged, and
    /// is refused later.
    private func relative(_ path: [UInt8]) -> [UInt8] {
        guard path.first == Self.slash else { return path }
        for prefix in prefixes where path.starts(with: prefix) { return Self.inside(path.dropFirst(prefix.count)) }
        // The path may use other links, or contain "//" and ".". Only the folder's name is resolved here; the rest is
        // checked when the file is opened.
        let folder = path[..<(path.lastIndex(of: Self.slash) ?? 0)]
        if let resolved = Self.resolve(folder.isEmpty ? [Self.slash] : Array(folder)) {
            let whole = Self.withoutSlashes(resolved) + path[folder.count...]
            if let prefix = prefixes.first, whole.starts(with: prefix) {
                return Self.inside(whole.dropFirst(prefix.count))
            }
        }
        return path
    }

    /// The path after the folder's name and its slash, without further leading slashes.
    private static func inside(_ rest: ArraySlice<UInt8>) -> [UInt8] {
        let path = Array(rest.drop { $0 == slash })
        return path.isEmpty ? [UInt8(ascii: ".")] : path
    }

    /// The path without trailing slashes, so that one can be appended: empty for "/".
    private static func withoutSlashes(_ path: [UInt8]) -> [UInt8] {
        Array(path[..<((path.lastIndex { $0 != slash } ?? -1) + 1)])
    }

    /// The path with "." and ".." resolved by name; `nil` if it is absolute or leads out.
    private static func withoutDots(_ path: [UInt8]) -> [UInt8]? {
        guard path.first != slash else { return nil }
        var parts: [ArraySlice<UInt8>] = []
        for part in path.split(separator: slash) {
            if part.elementsEqual("..".utf8) {
                guard !parts.isEmpty else { return nil }
                parts.removeLast()
            } else if !part.elementsEqual(".".utf8) {
                parts.append(part)
            }
        }
        return parts.isEmpty ? [UInt8(ascii: ".")] : Array(parts.joined(separator: [slash]))
    }

    private static func absolute(_ path: [UInt8]) -> [UInt8] {
        guard path.first != slash else { return path }
        guard let folder = getcwd(nil, 0) else { return path }
        defer { free(folder) }
        return withoutSlashes(bytes(of: folder)) + [slash] + path
    }

    /// The path with all links resolved; `nil`, with `errno` set, if it does not exist.
    private static func resolve(_ path: [UInt8]) -> [UInt8]? {
        guard let resolved = path.withPath({ realpath($0, nil) }) else { return nil }
        defer { free(resolved) }
        return bytes(of: resolved)
    }

    private static func bytes(of text: UnsafePointer<CChar>) -> [UInt8] {
        UnsafeRawBufferPointer(start: text, count: strlen(text)).map { $0 }
    }

    // MARK: Faults

    private func tooLarge(_ name: String, _ count: Int) -> RowFailure {
        .row(Rejection(.imageTooLarge, "\(name) has \(count) bytes; the limit is \(byteLimit)"))
    }

    private func outside(_ name: String) -> RowFailure {
        .row(Rejection(.imageOutsideRoot, "\(RowImage.path(name).name) leads out of \(path)"))
    }

    /// The failure that `errno` describes for an image: the row's fault, or the machine's.
    private func failure(_ path: String) -> RowFailure {
        let name = RowImage.path(path).name
        switch errno {
        case ENOENT, ENOTDIR: return .row(Rejection(.imageMissing, "\(name) does not exist below \(self.path)"))
        case EXDEV: return outside(path)
        case EACCES, EPERM, ELOOP, ENAMETOOLONG, EISDIR, ENXIO, ENODEV:
            return .row(Rejection(.imageUnreadable, "cannot read \(name): \(describeErrno())"))
        default: return .job(.io("cannot read \(name) below \(self.path): \(describeErrno())"))
        }
    }
}

extension Array where Element == UInt8 {
    /// Passes the bytes to `body` as a C string, which ends at the first zero byte.
    fileprivate func withPath<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
        (map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return "".withCString(body) }
            return body(start)
        }
    }
}
