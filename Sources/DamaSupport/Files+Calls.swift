import CDamaShims
import Glibc

/// The calls that change directory entries. Each is announced to ``FileCall``.
extension Files {
    package static func rename(_ old: String, to new: String) throws(DamaError) {
        guard renameOnce(old, to: new) else {
            throw .io("cannot rename \(old) to \(new): \(describeErrno())")
        }
    }

    /// False, with `errno` set, if the system refuses.
    static func renameOnce(_ old: String, to new: String) -> Bool {
        FileCall.allows(.rename(from: old, to: new)) && Glibc.rename(old, new) == 0
    }

    /// Removes a file or an empty directory, if it exists. False, with `errno` set, if the system refuses.
    @discardableResult
    package static func remove(_ path: String) -> Bool {
        guard FileCall.allows(.remove(path: path)) else { return false }
        return Glibc.remove(path) == 0 || errno == ENOENT
    }

    /// Creates a directory if it is missing; its parent must exist.
    package static func makeDirectoryOnce(_ path: String) throws(DamaError) {
        let isMade = FileCall.allows(.makeDirectory(path: path)) && mkdir(path, 0o777) == 0
        let code = errno
        guard isMade || (code == EEXIST && isDirectory(path)) else {
            errno = code
            throw .io("cannot make the folder \(path): \(describeErrno())")
        }
    }

    /// Exchanges two paths; false, with `errno` set, if the system refuses.
    static func exchangeNames(_ a: String, _ b: String) -> Bool {
        FileCall.allows(.exchange(a: a, b: b)) && cdama_exchange(a, b) == 0
    }

    /// Makes a directory's entries survive a power failure.
    ///
    /// - Throws: ``DamaError/Code/io`` if the disk fails. A file system without this operation, and a directory that
    ///   can be written but not read, are no failure.
    package static func synchronize(directory: String) throws(DamaError) {
        guard FileCall.allows(.synchronizeDirectory(path: directory)) else {
            throw .io("cannot write the folder \(directory): \(describeErrno())")
        }
        let descriptor = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == EACCES { return }
            throw .io("cannot open the folder \(directory): \(describeErrno())")
        }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 || [EINVAL, ENOTSUP, ENOSYS, EROFS].contains(errno) else {
            throw .io("cannot write the folder \(directory): \(describeErrno())")
        }
    }
}
