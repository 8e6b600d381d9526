import DamaSupport
import Glibc

/// The folder beside a job's output in which it keeps what is not finished. One process at a time has it.
struct JobFolder: ~Copyable {
    let path: String
    private let lock: Int32

    /// Makes the folder where there is none, and takes it.
    ///
    /// - Throws: ``DamaError/Code/io`` where another process has it, or it cannot be made.
    init(path: String) throws(DamaError) {
        self.path = path
        while true {
            guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
                throw .io("cannot make the folder \(path): \(describeErrno())")
            }
            let name = path + "/lock"
            let descriptor = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
            // Between the two calls the process that finishes the same job may remove the folder.
            if descriptor < 0 && errno == ENOENT { continue }
            guard descriptor >= 0 else { throw .io("cannot open \(name): \(describeErrno())") }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                let isTaken = errno == EWOULDBLOCK
                let text = describeErrno()
                close(descriptor)
                throw .io(
                    isTaken
                        ? "another process is writing this output (it holds \(name))" : "cannot lock \(name): \(text)")
            }
            var (mine, there) = (stat(), stat())
            if fstat(descriptor, &mine) == 0, stat(name, &there) == 0, mine.st_ino == there.st_ino {
                lock = descriptor
                return
            }
            close(descriptor)
        }
    }

    deinit { close(lock) }

    /// The path of a file in the folder.
    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Removes files and, once it is empty, the folder.
    func remove(_ names: [String], andFolder: Bool) {
        for name in names { unlink(file(name)) }
        guard andFolder else { return }
        unlink(file("lock"))
        rmdir(path)
    }

    /// Removes what a killed process left of files that are written beside their place and renamed.
    func removeTemporaryFiles() {
        for name in (try? Files.names(in: path)) ?? [] where name.contains(".tmp-") { unlink(file(name)) }
    }
}
