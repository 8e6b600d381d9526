import Glibc

/// What is written beside its place and renamed.
///
/// Its name follows from the place, so that what a killed process left is found and removed by the next one that writes
/// there; whether a process still writes it shows in its lock.
extension Files {
    /// The name under which the file or directory `target` is written first.
    package static func temporary(for target: String) -> String { "\(target).dama-tmp" }

    /// Makes the temporary file for `target`, and holds its lock.
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
                // Another process was quicker.
                if isThere(path) { continue }
                throw error
            }
            // Between the two calls another process may have taken it for one that was left.
            if file.lock(), file.isInPlace { return file }
        }
        throw busy(path)
    }

    /// Makes the temporary directory for `target`, and holds its lock.
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

    /// Removes the temporary of `target` that a killed process left, and puts back what it had moved aside. What another
    /// process is writing stays.
    package static func removeLeftovers(of target: String) {
        let target = resolved(target)
        let path = temporary(for: target)
        let aside = aside(path)
        // Two renames were to put the new directory in the old one's place, and only the first was done.
        if isThere(aside), !isThere(target) { try? rename(aside, to: target) }
        guard isThere(path) else { return }
        if isDirectory(path) { try? removeLeftDirectory(path) } else { try? removeLeftFile(path) }
    }

    /// Where the old directory lies while a new one takes its place.
    static func aside(_ temporary: String) -> String { "\(temporary).old" }

    private static func removeLeftFile(_ path: String) throws(DamaError) {
        let file = try OpenFile(existing: path)
        guard file.lock() else { throw busy(path) }
        guard file.isInPlace else { return }
        guard remove(path) else {
            throw .io("cannot remove \(path), which an earlier process left: \(describeErrno())")
        }
    }

    private static func removeLeftDirectory(_ path: String) throws(DamaError) {
        guard let lock = try DirectoryLock(path) else { throw busy(path) }
        guard lock.isInPlace else { return }
        removeTree(path)
        guard !isThere(path) else { throw .io("cannot remove \(path), which an earlier process left") }
    }

    private static func busy(_ path: String) -> DamaError {
        .io("another process or thread is writing \(path); wait for it, or name another output")
    }
}

/// The lock of a directory, held until the object goes.
struct DirectoryLock: ~Copyable {
    let path: String
    private let descriptor: Int32
    private let status: stat

    /// `nil` where another object has it.
    init?(_ path: String) throws(DamaError) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw .io("\(path) is in the way of what is to be written: \(describeErrno())")
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
