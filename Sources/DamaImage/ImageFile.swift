import DamaSupport

/// Reading of image files that others write: into memory, since a mapped file that is cut short while it is decoded ends
/// the process, and only regular ones, since a pipe would wait for ever.
package enum ImageFile {
    /// The most bytes of a file that is named by the caller.
    static let limit = 1 << 30

    package static func read(_ path: String) throws(DamaError) -> [UInt8] {
        try Files.read(path, limit: limit)
    }
}
