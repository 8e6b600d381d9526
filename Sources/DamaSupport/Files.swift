import Glibc

/// Reading and writing of whole files, without Foundation.
public enum Files {
    /// The bytes of the file at `path`, at most `limit` of them.
    ///
    /// - Throws: ``DamaError/Code/io`` where it cannot be read; ``DamaError/Code/outOfMemory`` where it is larger than `limit`.
    public static func read(_ path: String, limit: Int = .max) throws(DamaError) -> [UInt8] {
        let file = try MappedFile(path: path)
        guard file.bytes.count <= limit else {
            throw .outOfMemory("\(path) has \(file.bytes.count) bytes; the limit is \(limit)")
        }
        try Allocation.check(file.bytes.count, for: path)
        return Array(file.bytes)
    }

    /// The JSON value in the file at `path`. A syntax error names the file.
    public static func readJSON(_ path: String) throws(DamaError) -> JSON {
        let file = try MappedFile(path: path)
        do {
            return try JSON(parsing: file.bytes)
        } catch {
            throw DamaError(error.code, "\(path): \(error.message)")
        }
    }

    /// The folder that the file at `path` lies in.
    public static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// True where `path` names something, of whichever kind.
    public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    public static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    public static func isRegularFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// Makes a directory and those above it, where they are not there yet.
    public static func makeDirectory(_ path: String) throws(DamaError) {
        if isDirectory(path) { return }
        let parent = folder(of: path)
        if parent != path, !isDirectory(parent) { try makeDirectory(parent) }
        guard mkdir(path, 0o777) == 0 || (errno == EEXIST && isDirectory(path)) else {
            throw .io("cannot make the folder \(path): \(describeErrno())")
        }
    }

    /// True where both paths name one file, by whichever links.
    public static func areSame(_ a: String, _ b: String) -> Bool {
        var (first, second) = (stat(), stat())
        return stat(a, &first) == 0 && stat(b, &second) == 0
            && first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }

    /// Writes `bytes` beside `path`, flushes them to the disk and renames: readers see the old file or the whole new one.
    public static func writeAtomically(_ bytes: some Collection<UInt8>, to path: String) throws(DamaError) {
        let temporary = "\(path).tmp-\(getpid())"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .io("cannot create \(temporary): \(describeErrno())") }
        var failure: DamaError?
        if !writeAll(bytes, to: descriptor) || fsync(descriptor) != 0 {
            failure = .io("cannot write \(temporary): \(describeErrno())")
        }
        if close(descriptor) != 0, failure == nil { failure = .io("cannot write \(temporary): \(describeErrno())") }
        if failure == nil, rename(temporary, path) != 0 {
            failure = .io("cannot rename \(temporary) to \(path): \(describeErrno())")
        }
        if let failure {
            unlink(temporary)
            throw failure
        }
    }

    /// Writes every byte, however many calls it takes. False, with `errno` set, where the system refuses.
    static func writeAll(_ bytes: some Collection<UInt8>, to descriptor: Int32) -> Bool {
        let done = bytes.withContiguousStorageIfAvailable { writeAll(UnsafeRawBufferPointer($0), to: descriptor) }
        return done ?? Array(bytes).withUnsafeBytes { writeAll($0, to: descriptor) }
    }

    static func writeAll(_ buffer: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
        var offset = 0
        while offset < buffer.count {
            let count = write(descriptor, buffer.baseAddress! + offset, buffer.count - offset)
            if count < 0 {
                if errno == EINTR { continue }
                return false
            }
            offset += count
        }
        return true
    }
}
