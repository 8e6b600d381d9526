import Glibc

/// A regular file that is open for reading, or for reading and writing. Failures name it.
///
/// Opening never waits: a FIFO or a device is refused, not read from. Nothing that a symbolic link names is written to.
package struct OpenFile: ~Copyable, Sendable {
    package let path: String
    let descriptor: Int32
    let status: Status

    /// What the file was when it was opened.
    struct Status: Sendable {
        var size: Int
        var device: UInt64
        var inode: UInt64
    }

    /// Opens a file that is there for reading.
    ///
    /// - Throws: ``DamaError/Code/io`` where the path is no regular file that can be read.
    package init(reading path: String) throws(DamaError) {
        try self.init(path, O_RDONLY, "open")
    }

    /// Makes a file that must not be there.
    package init(creating path: String) throws(DamaError) {
        try self.init(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, "create")
    }

    /// Opens a file for reading and writing, and makes it where it is missing.
    package init(updating path: String) throws(DamaError) {
        try self.init(path, O_RDWR | O_CREAT | O_NOFOLLOW, "open")
    }

    /// Opens a file for ``append(_:)``, and makes it where it is missing.
    package init(appending path: String) throws(DamaError) {
        try self.init(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, "open")
    }

    /// Opens a file that is there for reading and writing.
    init(existing path: String) throws(DamaError) {
        try self.init(path, O_RDWR | O_NOFOLLOW, "open")
    }

    private init(_ path: String, _ flags: Int32, _ verb: String) throws(DamaError) {
        guard !path.utf8.contains(0) else { throw .invalidArgument("a path holds a NUL character: \(path)") }
        let allowed = FileCall.allows(.open(path: path, creates: flags & O_CREAT != 0))
        let descriptor = allowed ? Glibc.open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0o666) : -1
        guard descriptor >= 0 else {
            if errno == ELOOP { throw .io("\(path) is a symbolic link, which is not written through") }
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

    /// Bytes when it was opened.
    package var size: Int { status.size }

    // MARK: Reading

    /// The bytes from `offset` on, `count` of them or those up to the file's end.
    package func read(_ count: Int, at offset: Int) throws(DamaError) -> [UInt8] {
        guard let bytes = Self.read(descriptor, count, at: offset) else {
            throw .io("cannot read \(path): \(describeErrno())")
        }
        return bytes
    }

    /// The same of a regular file that was opened otherwise. `nil`, with `errno` set, where reading fails.
    package static func read(_ descriptor: Int32, _ count: Int, at offset: Int) -> [UInt8]? {
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: max(0, count)) { buffer, done in
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

    /// Adds bytes at the end of a file opened for it, in one call: what several threads or processes add does not mix.
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

    /// Writes every byte, however many calls it takes.
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

    /// False, with `errno` set, where the system refuses.
    private static func writeAll(
        _ buffer: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int, _ path: String
    ) -> Bool {
        var done = 0
        while done < buffer.count, let base = buffer.baseAddress {
            let rest = UnsafeRawBufferPointer(rebasing: buffer[done...])
            guard FileCall.allows(.write(path: path, offset: offset + done, bytes: rest)) else { return false }
            let count = pwrite(descriptor, base + done, rest.count, off_t(offset + done))
            if count < 0 && errno == EINTR { continue }
            // A file system that takes nothing and says nothing must not be asked for ever.
            if count == 0 { errno = EIO }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    /// Cuts the file, or fills it up with zeros.
    package func truncate(to size: Int) throws(DamaError) {
        guard FileCall.allows(.truncate(path: path, size: size)), ftruncate(descriptor, off_t(size)) == 0 else {
            throw .io("cannot cut \(path): \(describeErrno())")
        }
    }

    /// Makes what was written last through a power failure; its name lasts by ``Files/synchronize(directory:)``.
    package func synchronize() throws(DamaError) {
        try Self.synchronize(descriptor, path)
    }

    static func synchronize(_ descriptor: Int32, _ path: String) throws(DamaError) {
        guard FileCall.allows(.synchronize(path: path)), fdatasync(descriptor) == 0 else {
            throw .io("cannot write \(path): \(describeErrno())")
        }
    }

    /// Takes the file for this object alone until it goes; false where another one has it.
    package func lock() -> Bool { flock(descriptor, LOCK_EX | LOCK_NB) == 0 }

    /// Whether the file's path still names it.
    package var isInPlace: Bool {
        var found = stat()
        return lstat(path, &found) == 0 && UInt64(truncatingIfNeeded: found.st_dev) == status.device
            && UInt64(truncatingIfNeeded: found.st_ino) == status.inode
    }
}
