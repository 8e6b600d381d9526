import DamaModels
import DamaSupport

/// A reference model's log-probabilities that ``ReferenceJob`` wrote, by the contents of their pairs.
///
/// Numbers of another model, template or image processing are found out when the cache is opened, those of a changed pair
/// when it is looked up; neither is ever used in silence.
public final class ReferenceCache: Sendable {
    public let path: String
    private let entries: [ExactText: ReferenceEntry]
    /// The key that each id was computed with, to tell a pair that has changed from one that was never computed.
    private let keys: [ExactText: String]
    public var count: Int { entries.count }

    /// Opens the cache for the reference `policy`.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` where it was made with something else, naming each part that differs, or
    ///   is not the file any more that its summary describes.
    public convenience init(path: String, policy: Policy) throws(DamaError) {
        let paths = JobPaths(output: path)
        guard Files.exists(paths.summary) else {
            throw .io("\(paths.summary) is missing; it says what \(path) was computed with")
        }
        let summary = try Files.readJSON(paths.summary)
        let found = summary["settings"]?["model"] ?? .null
        let differences = settingsDifferences(found, try policy.identity())
        guard differences.isEmpty else {
            throw .invalidArgument(
                "\(path) was computed with \(differences.joined(separator: "; ")); compute it anew for this model")
        }
        guard try ResultFile.isUnchanged(path, summary["output"]) else {
            throw .invalidArgument(
                "\(path) has changed since it was computed: it is not the file that \(paths.summary) describes; compute it "
                    + "anew")
        }
        try self.init(path: path)
    }

    /// Opens the cache without asking what it was computed with.
    public init(path: String) throws(DamaError) {
        self.path = path
        var entries: [ExactText: ReferenceEntry] = [:]
        var keys: [ExactText: String] = [:]
        var reader = try RowReader(path: path, rowLimit: 64 << 20)
        while let row = try reader.next() {
            do throws(DamaError) {
                if let rejection = row.rejection { throw .model(rejection.reason) }
                let entry = try ReferenceEntry(JSON(parsing: row.bytes, numbers: .asWritten))
                guard !entry.key.isEmpty else { throw .model("no key") }
                entries[ExactText(entry.key)] = entry
                keys[ExactText(entry.id.text)] = entry.key
            } catch {
                throw DamaError(.model, "\(path), line \(row.line): \(error.message)")
            }
        }
        self.entries = entries
        self.keys = keys
    }

    /// The numbers of a pair; `nil` where the cache has none for exactly this image, prompt and responses.
    public subscript(key: String) -> ReferenceEntry? { entries[ExactText(key)] }

    /// Whether the cache has exactly this pair.
    ///
    /// - Throws: What ``ReferenceEntry/key(_:)`` does.
    public func contains(_ pair: PreferencePair) throws(DamaError) -> Bool {
        self[try ReferenceEntry.key(pair)] != nil
    }

    /// The log-probabilities of pairs, as ``Policy/logProbabilities(_:run:)`` would compute them.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the pair (`pair 3: …`) that the cache does not have.
    public func logProbabilities(_ pairs: [PreferencePair]) throws(DamaError) -> [PairLogProbabilities] {
        guard !pairs.isEmpty else { throw .invalidArgument("the batch is empty; expected at least one pair") }
        var found: [PairLogProbabilities] = []
        for (index, pair) in pairs.enumerated() {
            do throws(DamaError) {
                guard let entry = self[try ReferenceEntry.key(pair)] else {
                    throw .invalidArgument(
                        "\(path) has no log-probabilities of exactly this image, prompt, chosen and rejected response; "
                            + "compute them for the dataset as it is now")
                }
                found.append(entry.logProbabilities)
            } catch {
                throw DamaError(error.code, "pair \(index): \(error.message)")
            }
        }
        return found
    }

    /// The key under which the pair of this id was computed, whatever it holds now.
    package func key(of id: JSON) -> String? { keys[ExactText(id.text)] }
}
