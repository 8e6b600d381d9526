import DamaModels
import DamaSupport

/// A reference model's log-probabilities, written by ``ReferenceJob`` and found by the contents of their pairs.
///
/// Opening the cache detects numbers of another model, template or image processing. A lookup detects a changed pair.
/// Neither is ever used silently.
public final class ReferenceCache: Sendable {
    public let path: String
    private let entries: [ExactText: ReferenceEntry]
    /// The key that each id was computed with, to distinguish a changed pair from one that was never computed.
    private let keys: [ExactText: String]
    public var count: Int { entries.count }

    /// Opens the cache for the reference `policy`.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` if it was computed with anything else, naming each part that
    ///   differs, or if the file is no longer the one that its summary describes.
    public convenience init(path: String, policy: Policy) throws(DamaError) {
        try self.init(paths: [path], policy: policy)
    }

    /// Opens the cache that several ranks computed, a file each.
    convenience init(paths: [String], policy: Policy) throws(DamaError) {
        let identity = try policy.identity()
        for path in paths {
            let summaryPath = JobPaths(output: path).summary
            guard Files.exists(summaryPath) else {
                throw .io("\(summaryPath) is missing; it says what \(path) was computed with")
            }
            let summary = try Files.readJSON(summaryPath)
            let differences = settingsDifferences(summary["settings"]?["model"] ?? .null, identity)
            guard differences.isEmpty else {
                throw .invalidArgument(
                    "\(path) was computed with \(differences.joined(separator: "; ")); compute it again for this model")
            }
            try ResultFile.requireUnchanged(path, summary["output"], summary: summaryPath)
        }
        try self.init(paths: paths)
    }

    /// Opens the cache without checking what it was computed with.
    public convenience init(path: String) throws(DamaError) { try self.init(paths: [path]) }

    private init(paths: [String]) throws(DamaError) {
        path = paths.first ?? ""
        var entries: [ExactText: ReferenceEntry] = [:]
        var keys: [ExactText: String] = [:]
        for path in paths {
            var reader = try RowReader(path: path, rowLimit: 64 << 20)
            while let row = try reader.next() {
                do throws(DamaError) {
                    if let rejection = row.rejection { throw .model(rejection.reason) }
                    let entry = try ReferenceEntry(JSON(parsing: row.bytes, numbers: .asWritten))
                    guard !entry.key.isEmpty else { throw .model("\"key\" is missing") }
                    entries[ExactText(entry.key)] = entry
                    keys[ExactText(entry.id.text)] = entry.key
                } catch {
                    throw DamaError(.model, "\(path), line \(row.line): \(error.message)")
                }
            }
        }
        self.entries = entries
        self.keys = keys
    }

    /// The log-probabilities of a pair; `nil` if the cache does not hold exactly this image, prompt and responses.
    public subscript(key: String) -> ReferenceEntry? { entries[ExactText(key)] }

    /// Whether the cache holds exactly this pair.
    ///
    /// - Throws: The errors of ``ReferenceEntry/key(_:)``.
    public func contains(_ pair: PreferencePair) throws(DamaError) -> Bool {
        self[try ReferenceEntry.key(pair)] != nil
    }

    /// The log-probabilities of pairs, as ``Policy/logProbabilities(_:run:)`` would compute them.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the pair (`pair 3: …`) that the cache does not hold.
    public func logProbabilities(_ pairs: [PreferencePair]) throws(DamaError) -> [PairLogProbabilities] {
        guard !pairs.isEmpty else { throw .invalidArgument("the batch is empty; expected at least one pair") }
        var found: [PairLogProbabilities] = []
        for (index, pair) in pairs.enumerated() {
            do throws(DamaError) {
                guard let entry = self[try ReferenceEntry.key(pair)] else {
                    throw .invalidArgument(
                        "\(path) has no log-probabilities of exactly this image, prompt, chosen and rejected response; "
                            + "compute the reference for the current dataset")
                }
                found.append(entry.logProbabilities)
            } catch {
                throw DamaError(error.code, "pair \(index): \(error.message)")
            }
        }
        return found
    }

    /// The key that the pair of this id was computed with, whatever the pair holds now.
    package func key(of id: JSON) -> String? { keys[ExactText(id.text)] }
}
