import DamaSupport

/// The folder that holds a job's unfinished state. One process at a time can own it.
struct JobFolder: ~Copyable {
    let path: String
    private let lock: OpenFile

    private static let lockName = "lock"

    /// Creates the folder if it does not exist, and locks it.
    ///
    /// - Parameter isOurs: Whether the job writes files of this name; a folder with any other file is not the job's.
    /// - Throws: ``DamaError/Code/io`` if another process owns it, or if it cannot be created;
    ///   ``DamaError/Code/invalidArgument`` if it holds any other file.
    init(path: String, isOurs: (String) -> Bool) throws(DamaError) {
        self.path = path
        if Files.isThere(path) {
            guard Files.isDirectory(path) else {
                throw .io("\(path) is not a folder; the job needs this name for its unfinished state")
            }
            for name in try Files.names(in: path) where name != Self.lockName && !isOurs(name) {
                throw .invalidArgument("\(path) holds \"\(name)\", which no job wrote; choose another output")
            }
        }
        while true {
            try Files.makeDirectoryOnce(path)
            let file: OpenFile
            do throws(DamaError) {
                try Files.synchronize(directory: Files.folder(of: path))
                file = try OpenFile(updating: "\(path)/\(Self.lockName)")
            } catch {
                // A process that finishes the same job may remove the folder between the two calls.
                if !Files.isThere(path) { continue }
                throw error
            }
            guard file.lock() else { throw .io("another process is writing this output (it holds \(file.path))") }
            guard file.isInPlace else { continue }
            lock = file
            return
        }
    }

    /// Removes the folder if it holds only the lock.
    deinit {
        guard let names = try? Files.names(in: path), names == [Self.lockName] else { return }
        Files.remove(lock.path)
        Files.remove(path)
    }

    /// The path of a file in the folder.
    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Removes temporary files that a killed process left behind.
    func removeTemporaryFiles() {
        let suffix = Files.temporary(for: "")
        for name in (try? Files.names(in: path)) ?? [] where name.hasSuffix(suffix) {
            Files.removeLeftovers(of: file(String(name.dropLast(suffix.count))))
        }
    }
}
