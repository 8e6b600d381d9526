import DamaSupport

/// Reads image files of other programs. They are read into memory, because a mapped file that is truncated during
/// decoding ends the process. Only regular files are read, because a pipe could block for ever.
package enum ImageFile {
    /// The most bytes of a file that the caller names.
    static let limit = 1 << 30

    package static func read(_ path: String) throws(DamaError) -> [UInt8] {
        try Files.read(path, limit: limit)
    }
}
