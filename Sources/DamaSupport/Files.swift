import Glibc

/// Reading and writing of whole files, without Foundation.
package enum Files {
    /// The bytes of the file at `path`, at most `limit` of them.
    ///
    /// - Throws: ``DamaError/Code/io`` if it cannot be read; ``DamaError/Code/outOfMemory`` if it exceeds `limit`.
    package static func read(_ path: String, limit: Int = 1 << 31) throws(DamaError) -> [UInt8] {
        let file = try OpenFile(reading: path)
        guard file.size <= limit else {
            throw .outOfMemory("\(path) has \(file.size) bytes; the limit is \(limit)")
        }
        try Allocation.check(file.size, for: path)
        return try file.read(file.size, at: 0)
    }

    /// The JSON value in the file at `path`. The message of a syntax error names the file.
    package static func readJSON(_ path: String) throws(DamaError) -> JSON {
        let bytes = try read(path)
        do {
            return try JSON(parsing: bytes)
        } catch {
            throw DamaError(error.code, "\(path): \(error.message)")
        }
    }

    /// The SHA-256 of the file at `path` in hexadecimal, and its size in bytes.
    package static func digest(_ path: String) throws(DamaError) -> (sha256: String, byteCount: Int) {
        let file = try OpenFile(reading: path)
        var hash = SHA256()
        var count = 0
        while case let piece = try file.read(1 << 20, at: count), !piece.isEmpty {
            hash.update(piece)
            count += piece.count
        }
        return (hash.hexDigest, count)
    }

    /// The folder of the file at `path`.
    package static func folder(of path: String) -> String {
        // By scalars: a slash can be part of a Character of several scalars.
        guard let slash = path.unicodeScalars.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path.unicodeScalars[..<slash])
    }

    /// True if `path` exists, as a file of any kind.
    package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// True if `path` exists or is a symbolic link without a target.
    package static func isThere(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    package static func isSymbolicLink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    package static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    package static func isRegularFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// Creates a directory and its missing parents; they survive a power failure.
    package static func makeDirectory(_ path: String) throws(DamaError) {
        if isDirectory(path) { return }
        let parent = folder(of: path)
        if parent != path, !isDirectory(parent) { try makeDirectory(parent) }
        try makeDirectoryOnce(path)
        try synchronize(directory: parent)
    }

    /// True if `path`, with links resolved, is `directory` or inside it.
    package static func isInside(_ path: String, _ directory: String) -> Bool {
        let (inner, outer) = (resolved(path).utf8, resolved(directory).utf8)
        // By bytes: Swift treats some strings as equal that a file system does not.
        guard inner.starts(with: outer) else { return false }
        return inner.count == outer.count || outer.last == UInt8(ascii: "/")
            || inner.dropFirst(outer.count).first == UInt8(ascii: "/")
    }

    /// True if both paths, with links resolved, are the same file.
    package static func areSame(_ a: String, _ b: String) -> Bool {
        var (first, second) = (stat(), stat())
        return stat(a, &first) == 0 && stat(b, &second) == 0
            && first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }
}
