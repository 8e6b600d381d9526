import CDamaShims
import Glibc

/// The calls that change names. Each is announced to ``FileCall``.
extension Files {
    package static func rename(_ old: String, to new: String) throws(DamaError) {
        guard renameOnce(old, to: new) else {
            throw .io("cannot rename \(old) to \(new): \(describeErrno())")
        }
    }

    /// False, with `errno` set, where the system refuses.
    static func renameOnce(_ old: String, to new: String) -> Bool {
        FileCall.allows(.rename(from: old, to: new)) && Glibc.rename(old, new) == 0
    }

    /// Removes a file or an empty directory. False, with `errno` set, where the system refuses; nothing there is no refusal.
    @discardableResult
    package static func remove(_ path: String) -> Bool {
        guard FileCall.allows(.remove(path: path)) else { return false }
        return Glibc.remove(path) == 0 || errno == ENOENT
    }

    /// Makes a directory where there is none, in one that is there.
    package static func makeDirectoryOnce(_ path: String) throws(DamaError) {
        let isMade = FileCall.allows(.makeDirectory(path: path)) && mkdir(path, 0o777) == 0
        let code = errno
        guard isMade || (code == EEXIST && isDirectory(path)) else {
            errno = code
            throw .io("cannot make the folder \(path): \(describeErrno())")
        }
    }

    /// Exchanges what two names stand for; false, with `errno` set, where the system refuses.
    static func exchangeNames(_ a: String, _ b: String) -> Bool {
        FileCall.allows(.exchange(a: a, b: b)) && cdama_exchange(a, b) == 0
    }

    /// Makes the names in a directory last through a power failure.
    ///
    /// - Throws: ``DamaError/Code/io`` where the disk fails. A file system that has no such thing, and a directory that may
    ///   be written but not read, are no failure.
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
