import Glibc

extension Files {
    /// Replaces the file at `path` as one: `write` fills a new file beside it, which is flushed to the disk and
    /// renamed.
    ///
    /// Readers see the old file or the whole new one. Where anything fails the old file stays and the new one is
    /// removed.
    /// - Parameter write: hands its bytes to ``FileSink/append(_:)``, in pieces as small or large as it likes.
    public static func replace(
        _ path: String, write: (inout FileSink) throws(DamaError) -> Void
    ) throws(DamaError) {
        let temporary = "\(path).tmp-\(getpid())"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .io("cannot create \(temporary): \(describeErrno())") }
        var isOpen = true
        do throws(DamaError) {
            var sink = FileSink(descriptor: descriptor, path: temporary)
            try write(&sink)
            guard fsync(descriptor) == 0 else { throw .io("cannot write \(temporary): \(describeErrno())") }
            isOpen = false
            guard close(descriptor) == 0 else { throw .io("cannot write \(temporary): \(describeErrno())") }
            guard rename(temporary, path) == 0 else {
                throw .io("cannot rename \(temporary) to \(path): \(describeErrno())")
            }
        } catch {
            if isOpen { close(descriptor) }
            unlink(temporary)
            throw error
        }
        synchronize(directory: folder(of: path))
    }

    /// Replaces the file at `path` by the bytes of another.
    public static func copy(_ source: String, to path: String) throws(DamaError) {
        let file = try MappedFile(path: source)
        try replace(path) { sink throws(DamaError) in try sink.append(file.bytes) }
    }

    /// Makes renames in a directory last through a power failure. Some file systems cannot, so a failure is none.
    static func synchronize(directory: String) {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }
}

/// The file that ``Files/replace(_:write:)`` fills.
public struct FileSink {
    let descriptor: Int32
    let path: String
    /// Bytes written so far.
    public private(set) var count = 0

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    public mutating func append(_ bytes: UnsafeRawBufferPointer) throws(DamaError) {
        guard Files.writeAll(bytes, to: descriptor) else {
            throw .io("cannot write \(path): \(describeErrno())")
        }
        count += bytes.count
    }

    public mutating func append(_ bytes: some Collection<UInt8>) throws(DamaError) {
        guard Files.writeAll(bytes, to: descriptor) else {
            throw .io("cannot write \(path): \(describeErrno())")
        }
        count += bytes.count
    }
}
