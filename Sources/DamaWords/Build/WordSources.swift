import DamaArchive
import DamaSupport

/// Finds the files that word data is made of, in archives, folders and single files.
///
/// A file is told by its name inside an archive or folder, whatever the archive is called and wherever the folder lies.
struct WordSources {
    /// A file that was found.
    struct Found {
        /// Its name, such as `noun.exc`.
        let name: String
        /// The path of the file, or of the archive with the path inside it.
        let place: String
        let bytes: [UInt8]
        var sha256: String { SHA256.hex(of: bytes) }
    }

    private(set) var found: [String: Found] = [:]
    /// Larger files are none of these.
    private static let limit = 1 << 28

    static let pickle = "averaged_perceptron_tagger.pickle"
    static let json = ["weights", "tagdict", "classes"].map { "averaged_perceptron_tagger_eng.\($0).json" }
    private static let known = Set([pickle, "noun.exc", "index.noun"] + json + PunktTables.names)

    init(_ paths: [String]) throws(DamaError) {
        for path in paths {
            if Files.isDirectory(path) {
                try addFolder(path, relative: [], depth: 0)
            } else {
                try addFile(path)
            }
        }
    }

    // MARK: Searching

    private mutating func addFolder(_ path: String, relative: [String], depth: Int) throws(DamaError) {
        for name in try Files.names(in: path) {
            let place = "\(path)/\(name)"
            if Files.isDirectory(place) {
                // nltk_data/tokenizers/punkt_tab/english
                if depth < 4 { try addFolder(place, relative: relative + [name], depth: depth + 1) }
            } else if name.hasSuffix(".zip") {
                try addFile(place)
            } else if Self.isWanted(relative + [name]) {
                try add(name, place, Files.read(place, limit: Self.limit))
            }
        }
    }

    private mutating func addFile(_ path: String) throws(DamaError) {
        let start = try OpenFile(reading: path).read(4, at: 0)
        guard start.starts(with: [0x50, 0x4B, 3, 4]) else {
            let name = path.utf8.split(separator: UInt8(ascii: "/")).last.map { String(Substring($0)) } ?? path
            // A tagger's pickle is told by its first byte.
            if start.first == 0x80 { return try add(Self.pickle, path, Files.read(path, limit: Self.limit)) }
            guard Self.known.contains(name) else {
                throw .invalidArgument(
                    "\(path) is no zip archive and has none of the names of NLTK's and WordNet's files")
            }
            return try add(name, path, Files.read(path, limit: Self.limit))
        }
        let archive = try ZipFile(path: path)
        for member in archive.names {
            let parts = member.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
            guard let name = parts.last, !member.hasSuffix("/"), Self.isWanted(parts) else { continue }
            try add(name, "\(path)/\(member)", archive.contents(of: member, limit: Self.limit))
        }
    }

    /// Whether a file is one of those looked for. Of Punkt's languages only English is.
    private static func isWanted(_ parts: [String]) -> Bool {
        guard let name = parts.last, known.contains(name) else { return false }
        return !PunktTables.names.contains(name) || parts.count == 1 || parts[parts.count - 2] == "english"
    }

    /// The same file may be there twice, as an archive and unpacked.
    private mutating func add(_ name: String, _ place: String, _ bytes: [UInt8]) throws(DamaError) {
        if let other = found[name] {
            guard other.bytes == bytes else {
                throw .invalidArgument("\(other.place) and \(place) differ; give one of them")
            }
            return
        }
        found[name] = Found(name: name, place: place, bytes: bytes)
    }
}
