import CDamaShims
import DamaImage
import DamaSupport
import Glibc

/// The folder that a dataset's images lie in. Paths cannot leave it: not by `..`, and, unless links are followed, not
/// through symbolic links.
///
/// Paths are bytes here. To Swift's `String` a path is characters, of which one may be several bytes, or be equal to
/// others.
package final class ImageRoot: Sendable {
    /// The folder with all links resolved.
    package let path: String
    private let descriptor: Int32
    /// The most bytes that one image file may have.
    private let byteLimit: Int
    /// Whether links in the folder may lead out of it.
    private let followsLinks: Bool
    /// What an absolute path below the folder may begin with, each with a slash at its end.
    private let prefixes: [[UInt8]]

    /// - Throws: ``DamaError/Code/io`` where `path` is no folder that can be read.
    package init(path: String, byteLimit: Int = 64 << 20, followsLinks: Bool = false) throws(DamaError) {
        guard byteLimit >= 1 else {
            throw .invalidArgument("the limit for one image has to be at least 1 byte, found \(byteLimit)")
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

    /// The bytes of the row's image.
    ///
    /// - Parameter stamp: what the file was, also where it cannot be read; `nil` for an image that the row itself holds.
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

    /// Checks that an image is still what it was.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` where it is not.
    func verify(_ stamp: ImageStamp) throws(DamaError) {
        let name = RowImage.path(stamp.path).name
        do throws(RowFailure) {
            let (file, status) = try opened(stamp.path)
            defer { close(file) }
            guard let digest = stamp.digest else { throw .job(.invalidArgument("\(name) can be read now")) }
            // What was touched alone may be the same.
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

    /// A regular file of no more bytes than allowed.
    private func opened(_ name: String) throws(RowFailure) -> (Int32, stat) {
        let bytes = Array(name.utf8)
        guard !bytes.contains(0) else {
            throw .row(Rejection(.imageMissing, "the image path holds a NUL character"))
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

    /// A path relative to the folder. An absolute one that does not lead into it stays as it is, and is refused.
    private func relative(_ path: [UInt8]) -> [UInt8] {
        guard path.first == Self.slash else { return path }
        for prefix in prefixes where path.starts(with: prefix) { return Self.inside(path.dropFirst(prefix.count)) }
        // By other links, or with "//" and "." in it. Only the folder's own name can be resolved here: what is inside is
        // judged when it is opened.
        let folder = path[..<(path.lastIndex(of: Self.slash) ?? 0)]
        if let resolved = Self.resolve(folder.isEmpty ? [Self.slash] : Array(folder)) {
            let whole = Self.withoutSlashes(resolved) + path[folder.count...]
            if let prefix = prefixes.first, whole.starts(with: prefix) {
                return Self.inside(whole.dropFirst(prefix.count))
            }
        }
        return path
    }

    /// What is behind the folder's name and its slash, where more slashes may stand.
    private static func inside(_ rest: ArraySlice<UInt8>) -> [UInt8] {
        let path = Array(rest.drop { $0 == slash })
        return path.isEmpty ? [UInt8(ascii: ".")] : path
    }

    /// Without the slashes at its end, so that one can be put there: empty for "/".
    private static func withoutSlashes(_ path: [UInt8]) -> [UInt8] {
        Array(path[..<((path.lastIndex { $0 != slash } ?? -1) + 1)])
    }

    /// The path with "." and ".." taken out by name; `nil` where it is absolute or leads out.
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

    /// With all links resolved; `nil`, with `errno` set, where it does not exist.
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

    /// What `errno` says about an image: the row's fault, or the machine's.
    private func failure(_ path: String) -> RowFailure {
        let name = RowImage.path(path).name
        switch errno {
        case ENOENT, ENOTDIR: return .row(Rejection(.imageMissing, "no \(name) below \(self.path)"))
        case EXDEV: return outside(path)
        case EACCES, EPERM, ELOOP, ENAMETOOLONG, EISDIR, ENXIO, ENODEV:
            return .row(Rejection(.imageUnreadable, "cannot read \(name): \(describeErrno())"))
        default: return .job(.io("cannot read \(name) below \(self.path): \(describeErrno())"))
        }
    }
}

extension Array where Element == UInt8 {
    /// The bytes as a C string. One that holds a zero ends there.
    fileprivate func withPath<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
        (map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return "".withCString(body) }
            return body(start)
        }
    }
}
