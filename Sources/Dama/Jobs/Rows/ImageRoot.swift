import CDamaShims
import DamaSupport
import Glibc

/// The folder that a dataset's images lie in. Paths cannot leave it, neither by `..` nor through symbolic links.
public final class ImageRoot: Sendable {
    /// The folder with all links resolved.
    public let path: String
    private let descriptor: Int32
    /// The most bytes that one image file may have.
    private let byteLimit: Int

    /// - Throws: ``DamaError/Code/io`` where `path` is no folder that can be read.
    public init(path: String, byteLimit: Int = 64 << 20) throws(DamaError) {
        guard byteLimit >= 1 else {
            throw .invalidArgument("the limit for one image has to be at least 1 byte, found \(byteLimit)")
        }
        guard let resolved = realpath(path, nil) else {
            throw .io("cannot open the image root \(path): \(describeErrno())")
        }
        self.path = String(cString: resolved)
        free(resolved)
        descriptor = open(self.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .io("cannot open the image root \(path): \(describeErrno())") }
        self.byteLimit = byteLimit
    }

    deinit { close(descriptor) }

    /// The bytes of the image at `name`, a path relative to the root, or an absolute one that begins with it.
    func read(_ name: String) throws(RowFailure) -> [UInt8] {
        var relative = name
        if relative.hasPrefix(path + "/") { relative.removeFirst(path.utf8.count + 1) }
        guard !relative.utf8.contains(0) else {
            throw .row(Rejection(.imageMissing, "the image path holds a NUL character"))
        }
        let file = cdama_open_beneath(descriptor, relative)
        guard file >= 0 else { throw failure(name) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw failure(name) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .row(Rejection(.imageUnreadable, "image \"\(name)\" is not a regular file"))
        }
        guard status.st_size <= byteLimit else {
            throw .row(
                Rejection(.imageTooLarge, "image \"\(name)\" has \(status.st_size) bytes; the limit is \(byteLimit)"))
        }
        do throws(DamaError) {
            try Allocation.check(status.st_size, for: "image \"\(name)\"")
        } catch {
            throw .job(error)
        }
        return try contents(of: file, size: status.st_size, name)
    }

    private func contents(of file: Int32, size: Int, _ name: String) throws(RowFailure) -> [UInt8] {
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            count = 0
            while count < size, let base = buffer.baseAddress {
                let got = Glibc.read(file, base + count, size - count)
                if got < 0 && errno == EINTR { continue }
                failed = got < 0
                guard got > 0 else { return }
                count += got
            }
        }
        guard !failed else { throw failure(name) }
        return bytes
    }

    /// What `errno` says about an image: the row's fault, or the machine's.
    private func failure(_ name: String) -> RowFailure {
        switch errno {
        case ENOENT, ENOTDIR: .row(Rejection(.imageMissing, "no image \"\(name)\" below \(path)"))
        case EXDEV: .row(Rejection(.imageOutsideRoot, "image path \"\(name)\" leads out of \(path)"))
        case EACCES, EPERM, ELOOP, ENAMETOOLONG, EISDIR, ENXIO, ENODEV:
            .row(Rejection(.imageUnreadable, "cannot read image \"\(name)\": \(describeErrno())"))
        default: .job(.io("cannot read image \"\(name)\" below \(path): \(describeErrno())"))
        }
    }
}
