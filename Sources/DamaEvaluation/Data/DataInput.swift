import DamaSupport

/// A file of a benchmark's prepared data, and how it is made of what a user has downloaded.
package struct DataInput: Sendable {
    /// The name in the prepared folder.
    package var name: String
    /// What the file is for, for messages: `the answers' ground truth`.
    package var purpose: String
    /// The downloads that the file is made of. If all are optional, it is made of those that are there, at least one.
    package var downloads: [Download]
    /// Whether the benchmark can be evaluated without it.
    package var isOptional: Bool
    /// Writes the file at `path` from the downloads' paths, by their names; `nil` for a copy of the only download.
    package var make: (@Sendable (_ found: [String: String], _ path: String) throws(DamaError) -> Void)?

    package init(
        _ name: String, _ purpose: String, from downloads: [Download], isOptional: Bool = false,
        make: (@Sendable (_ found: [String: String], _ path: String) throws(DamaError) -> Void)? = nil
    ) {
        self.name = name
        self.purpose = purpose
        self.downloads = downloads
        self.isOptional = isOptional
        self.make = make
    }
}

/// A file that a user downloads.
package struct Download: Sendable {
    /// Its usual name.
    package var name: String
    /// Known versions with their SHA-256 digests; empty for a file that has no fixed contents.
    package var versions: [(name: String, sha256: String)]
    /// Where it is to be had.
    package var address: String
    /// Another download, which holds this one as well.
    package var archive: String?
    /// Whether the benchmark can do without it.
    package var isOptional: Bool
    /// Whether a folder stands for it.
    package var isFolder: Bool
    /// Whether a file that is no known version is taken by its name.
    package var acceptsOthers: Bool

    package init(
        _ name: String, versions: [(name: String, sha256: String)] = [], address: String, isOptional: Bool = false,
        isFolder: Bool = false, acceptsOthers: Bool = false
    ) {
        self.name = name
        self.versions = versions
        self.address = address
        self.isOptional = isOptional
        self.isFolder = isFolder
        self.acceptsOthers = acceptsOthers
    }
}
