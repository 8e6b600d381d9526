import Glibc

extension Files {
    /// Replaces the file at `path` atomically: `write` fills a new file beside it, which is flushed to the disk and
    /// renamed. If `path` is a symbolic link, its target is replaced.
    ///
    /// Readers see either the old file or the complete new one. On failure the old file stays and the new one is
    /// removed. Once the call has returned, the new file survives a power failure.
    /// - Parameter write: Passes its bytes to ``FileSink/append(_:)``, in pieces of any size.
    package static func replace(
        _ path: String, write: (inout FileSink) throws(DamaError) -> Void
    ) throws(DamaError) {
        let target = try replaceable(path)
        let file = try createTemporary(for: target)
        do throws(DamaError) {
            var sink = FileSink(descriptor: file.descriptor, path: file.path)
            try write(&sink)
            try file.synchronize()
            try rename(file.path, to: target)
        } catch {
            if file.isInPlace { remove(file.path) }
            throw error
        }
        try synchronize(directory: folder(of: target))
    }

    /// Same as ``replace(_:write:)``, with given bytes.
    package static func writeAtomically(_ bytes: some Collection<UInt8>, to path: String) throws(DamaError) {
        try replace(path) { sink throws(DamaError) in try sink.append(bytes) }
    }

    /// Replaces the file at `path` by the bytes of another.
    package static func copy(_ source: String, to path: String) throws(DamaError) {
        let file = try OpenFile(reading: source)
        try replace(path) { sink throws(DamaError) in
            while case let piece = try file.read(1 << 20, at: sink.count), !piece.isEmpty { try sink.append(piece) }
        }
    }
}

/// The file that ``Files/replace(_:write:)`` fills.
package struct FileSink {
    private let descriptor: Int32
    private let path: String
    /// Bytes written so far.
    package private(set) var count = 0

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    package mutating func append(_ bytes: UnsafeRawBufferPointer) throws(DamaError) {
        try OpenFile.write(bytes, to: descriptor, at: count, path)
        count += bytes.count
    }

    package mutating func append(_ bytes: some Collection<UInt8>) throws(DamaError) {
        try OpenFile.write(bytes, to: descriptor, at: count, path)
        count += bytes.count
    }
}
