import Glibc

/// A regular file, open for reading, or for reading and writing. Errors name it.
///
/// Opening never blocks: a FIFO or a device is rejected. The target of a symbolic link is never written.
package struct OpenFile: ~Copyable, Sendable {
    package let path: String
    let descriptor: Int32
    let status: Status

    /// The status of the file when it was opened.
    struct Status: Sendable {
        var size: Int
        var device: UInt64
        var inode: UInt64
    }

    /// Opens an existing file for reading.
    ///
    /// - Throws: ``DamaError/Code/io`` if the path is not a readable regular file.
    package init(reading path: String) throws(DamaError) {
        try self.init(path, O_RDONLY, "open")
    }

    /// Creates a file that must not exist.
    package init(creating path: String) throws(DamaError) {
        try self.init(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, "create")
    }

    /// Opens a file for reading and writing, and creates it if it is missing.
    package init(updating path: String) throws(DamaError) {
        try self.init(path, O_RDWR | O_CREAT | O_NOFOLLOW, "open")
    }

    /// Opens a file for ``append(_:)``, and creates it if it is missing.
    package init(appending path: String) throws(DamaError) {
        try self.init(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, "open")
    }

    /// Opens an existing file for reading and writing.
    init(existing path: String) throws(DamaError) {
        try self.init(path, O_RDWR | O_NOFOLLOW, "open")
    }

    private init(_ path: String, _ flags: Int32, _ verb: String) throws(DamaError) {
        guard !path.utf8.contains(0) else { throw .invalidArgument("a path contains a NUL character: \(path)") }
        let allowed = FileCall.allows(.open(path: path, creates: flags & O_CREAT != 0))
        let descriptor = allowed ? Glibc.open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0o666) : -1
        guard descriptor >= 0 else {
            if errno == ELOOP { throw .io("\(path) is a symbolic link; its target is not written") }
            throw .io("cannot \(verb) \(path): \(describeErrno())")
        }
        var found = stat()
        guard fstat(descriptor, &found) == 0 else {
            let text = describeErrno()
            Glibc.close(descriptor)
            throw .io("cannot \(verb) \(path): \(text)")
        }
        guard found.st_mode & S_IFMT == S_IFREG else {
            Glibc.close(descriptor)
            throw .io("\(path) is not a regular file")
        }
        self.path = path
        self.descriptor = descriptor
        status = Status(
            size: Int(found.st_size), device: UInt64(truncatingIfNeeded: found.st_dev),
            inode: UInt64(truncatingIfNeeded: found.st_ino))
    }

    deinit { Glibc.close(descriptor) }

    /// The size in bytes when the file was opened.
    package var size: Int { status.size }

    // MARK: Reading

    /// `count` bytes from `offset` on, or fewer at the end of the file.
    package func read(_ count: Int, at offset: Int) throws(DamaError) -> [UInt8] {
        guard let bytes = Self.read(descriptor, count, at: offset) else {
            throw .io("cannot read \(path): \(describeErrno())")
        }
        return bytes
    }

    /// Same for a regular file that was opened otherwise. `nil`, with `errno` set, if reading fails.
    package static func read(_ descriptor: Int32, _ count: Int, at offset: Int) -> [UInt8]? {
        // Without this the initialiser would write to the memory that all empty arrays share.
        guard count > 0 else { return [] }
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
            while done < count, let base = buffer.baseAddress {
                let got = pread(descriptor, base + done, count - done, off_t(offset + done))
                if got < 0 && errno == EINTR { continue }
                failed = got < 0
                guard got > 0 else { return }
                done += got
            }
        }
        return failed ? nil : bytes
    }

    // MARK: Writing

    package func write(_ bytes: some Collection<UInt8>, at offset: Int) throws(DamaError) {
        try Self.write(bytes, to: descriptor, at: offset, path)
    }

    /// Appends bytes to a file opened for it, in one call: appends of several threads or processes do not mix.
    package func append(_ bytes: [UInt8]) throws(DamaError) {
        var found = stat()
        let offset = fstat(descriptor, &found) == 0 ? Int(found.st_size) : 0
        let count = bytes.withUnsafeBytes { buffer in
            FileCall.allows(.write(path: path, offset: offset, bytes: buffer))
                ? Glibc.write(descriptor, buffer.baseAddress, buffer.count) : -1
        }
        if count >= 0 && count < bytes.count { errno = ENOSPC }
        guard count == bytes.count else { throw .io("cannot write \(path): \(describeErrno())") }
    }

    /// Writes all bytes, in as many calls as it takes.
    static func write(
        _ bytes: some Collection<UInt8>, to descriptor: Int32, at offset: Int, _ path: String
    ) throws(DamaError) {
        let done = bytes.withContiguousStorageIfAvailable {
            writeAll(UnsafeRawBufferPointer($0), to: descriptor, at: offset, path)
        }
        guard done ?? Array(bytes).withUnsafeBytes({ writeAll($0, to: descriptor, at: offset, path) }) else {
            throw .io("cannot write \(path): \(describeErrno())")
        }
    }

    /// False, with `errno` set, if the system refuses.
    private static func writeAll(
        _ buffer: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int, _ path: String
    ) -> Bool {
        var done = 0
        while done < buffer.count, let base = buffer.baseAddress {
            let rest = UnsafeRawBufferPointer(rebasing: buffer[done...])
            guard FileCall.allows(.write(path: path, offset: offset + done, bytes: rest)) else { return false }
            let count = pwrite(descriptor, base + done, rest.count, off_t(offset + done))
            if count < 0 && errno == EINTR { continue }
            // A file system that writes 0 bytes without an error must not cause an endless loop.
            if count == 0 { errno = EIO }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    /// Truncates the file, or extends it with zeros.
    package func truncate(to size: Int) throws(DamaError) {
        guard FileCall.allows(.truncate(path: path, size: size)), ftruncate(descriptor, off_t(size)) == 0 else {
            throw .io("cannot truncate \(path): \(describeErrno())")
        }
    }

    /// Makes the written bytes survive a power failure; ``Files/synchronize(directory:)`` does so for the file's name.
    package func synchronize() throws(DamaError) {
        try Self.synchronize(descriptor, path)
    }

    static func synchronize(_ descriptor: Int32, _ path: String) throws(DamaError) {
        guard FileCall.allows(.synchronize(path: path)), fdatasync(descriptor) == 0 else {
            throw .io("cannot write \(path): \(describeErrno())")
        }
    }

    /// Locks the file for the lifetime of this object; false if another one holds the lock.
    package func lock() -> Bool { flock(descriptor, LOCK_EX | LOCK_NB) == 0 }

    /// Whether the file's path still names it.
    package var isInPlace: Bool {
        var found = stat()
        return lstat(path, &found) == 0 && UInt64(truncatingIfNeeded: found.st_dev) == status.device
            && UInt64(truncatingIfNeeded: found.st_ino) == status.inode
    }
}
