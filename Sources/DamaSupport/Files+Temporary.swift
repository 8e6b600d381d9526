import Glibc

/// Temporary files and directories, which are written beside their target and then renamed.
///
/// The target determines the name, so that the next process that writes there finds and removes what a killed process
/// left behind. A lock shows whether a process is still writing.
extension Files {
    /// The name under which the file or directory `target` is first written.
    package static func temporary(for target: String) -> String { "\(target).dama-tmp" }

    /// Creates the temporary file for `target`, and holds its lock.
    static func createTemporary(for target: String) throws(DamaError) -> OpenFile {
        let path = temporary(for: target)
        for _ in 0..<64 {
            if isThere(path) {
                try removeLeftFile(path)
                continue
            }
            let file: OpenFile
            do throws(DamaError) {
                file = try OpenFile(creating: path)
            } catch {
                // Another process was faster.
                if isThere(path) { continue }
                throw error
            }
            // Between the two calls another process may have removed it as a leftover.
            if file.lock(), file.isInPlace { return file }
        }
        throw busy(path)
    }

    /// Creates the temporary directory for `target`, and holds its lock.
    static func createTemporaryDirectory(for target: String) throws(DamaError) -> DirectoryLock {
        let path = temporary(for: target)
        for _ in 0..<64 {
            if isThere(path) {
                try removeLeftDirectory(path)
                continue
            }
            try makeDirectoryOnce(path)
            if let lock = try DirectoryLock(path), lock.isInPlace { return lock }
        }
        throw busy(path)
    }

    /// Removes the temporary file or directory of `target` that a killed process left behind, and restores what that
    /// process had moved aside. A temporary that another process is writing stays.
    package static func removeLeftovers(of target: String) {
        let target = resolved(target)
        let path = temporary(for: target)
        let aside = aside(path)
        // Of the two renames that replace the old directory, only the first was done.
        if isThere(aside), !isThere(target) { try? rename(aside, to: target) }
        guard isThere(path) else { return }
        if isDirectory(path) { try? removeLeftDirectory(path) } else { try? removeLeftFile(path) }
    }

    /// The path of the old directory while a new one replaces it.
    static func aside(_ temporary: String) -> String { "\(temporary).old" }

    private static func removeLeftFile(_ path: String) throws(DamaError) {
        let file = try OpenFile(existing: path)
        guard file.lock() else { throw busy(path) }
        guard file.isInPlace else { return }
        guard remove(path) else {
            throw .io("cannot remove \(path), which an earlier process left behind: \(describeErrno())")
        }
    }

    private static func removeLeftDirectory(_ path: String) throws(DamaError) {
        guard let lock = try DirectoryLock(path) else { throw busy(path) }
        guard lock.isInPlace else { return }
        removeTree(path)
        guard !isThere(path) else { throw .io("cannot remove \(path), which an earlier process left behind") }
    }

    private static func busy(_ path: String) -> DamaError {
        .io("another process or thread is writing \(path); wait for it, or name another output")
    }
}

/// A directory's lock, held for the lifetime of the object.
struct DirectoryLock: ~Copyable {
    let path: String
    private let descriptor: Int32
    private let status: stat

    /// `nil` if another object holds the lock.
    init?(_ path: String) throws(DamaError) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw .io("cannot open \(path) as a temporary directory: \(describeErrno())")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            return nil
        }
        (self.path, self.descriptor, self.status) = (path, descriptor, status)
    }

    deinit { close(descriptor) }

    /// Whether the path still names the directory.
    var isInPlace: Bool {
        var found = stat()
        return lstat(path, &found) == 0 && found.st_dev == status.st_dev && found.st_ino == status.st_ino
    }
}
