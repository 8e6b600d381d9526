import DamaSupport

/// The folder in which a job keeps what is not finished. One process at a time has it.
struct JobFolder: ~Copyable {
    let path: String
    private let lock: OpenFile

    private static let lockName = "lock"

    /// Makes the folder where there is none, and takes it.
    ///
    /// - Parameter isOurs: whether the job gives files this name; a folder that holds another one is not the job's.
    /// - Throws: ``DamaError/Code/io`` where another process has it, or it cannot be made;
    ///   ``DamaError/Code/invalidArgument`` where it holds something else.
    init(path: String, isOurs: (String) -> Bool) throws(DamaError) {
        self.path = path
        if Files.isThere(path) {
            guard Files.isDirectory(path) else {
                throw .io("\(path) is not a folder; the job needs this name for what is not finished")
            }
            for name in try Files.names(in: path) where name != Self.lockName && !isOurs(name) {
                throw .invalidArgument("\(path) holds \"\(name)\", which no job wrote; name another output")
            }
        }
        while true {
            try Files.makeDirectoryOnce(path)
            let file: OpenFile
            do throws(DamaError) {
                try Files.synchronize(directory: Files.folder(of: path))
                file = try OpenFile(updating: "\(path)/\(Self.lockName)")
            } catch {
                // Between the two calls the process that finishes the same job may remove the folder.
                if !Files.isThere(path) { continue }
                throw error
            }
            guard file.lock() else { throw .io("another process is writing this output (it holds \(file.path))") }
            guard file.isInPlace else { continue }
            lock = file
            return
        }
    }

    /// A folder with nothing but the lock is not worth keeping.
    deinit {
        guard let names = try? Files.names(in: path), names == [Self.lockName] else { return }
        Files.remove(lock.path)
        Files.remove(path)
    }

    /// The path of a file in the folder.
    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Removes what a killed process left of files that are written beside their place and renamed.
    func removeTemporaryFiles() {
        let suffix = Files.temporary(for: "")
        for name in (try? Files.names(in: path)) ?? [] where name.hasSuffix(suffix) {
            Files.removeLeftovers(of: file(String(name.dropLast(suffix.count))))
        }
    }
}
