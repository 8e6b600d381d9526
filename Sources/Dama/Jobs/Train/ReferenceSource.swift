import DamaModels
import DamaSupport

/// The source of a training job's reference log-probabilities.
enum ReferenceSource: Sendable {
    /// A cache written by ``ReferenceJob``, by the contents of pairs.
    case cache(ReferenceCache)
    /// The `logps` field of the dataset itself, as in RLAIF-V, by id. It does not record what it was computed with.
    case dataset(path: String, [ExactText: ReferenceEntry])

    var path: String {
        switch self {
        case .cache(let cache): cache.path
        case .dataset(let path, _): path
        }
    }

    /// Reads the `logps` of a dataset's rows.
    init(dataset path: String, fields: FieldNames) throws(DamaError) {
        var entries: [ExactText: ReferenceEntry] = [:]
        var reader = try RowReader(path: path)
        while let row = try reader.next() {
            guard let json = try? PairRecord.object(row), json["logps"] != nil else { continue }
            let id = PairRecord.identifier(of: row, names: fields) ?? .int(Int64(row.index))
            do throws(DamaError) {
                guard entries.updateValue(try ReferenceEntry(json), forKey: ExactText(id.text)) == nil else {
                    throw .model("the id \(id.text) is a duplicate; every row must have its own id")
                }
            } catch {
                throw DamaError(.model, "\(path), line \(row.line): \(error.message)")
            }
        }
        guard !entries.isEmpty else { throw .model("\(path) has no row with \"logps\"") }
        self = .dataset(path: path, entries)
    }

    /// The log-probabilities of a pair; `nil` if the source has none.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` if the pair of this id was computed from other contents.
    func entry(key: String, id: JSON) throws(DamaError) -> ReferenceEntry? {
        switch self {
        case .dataset(_, let entries): return entries[ExactText(id.text)]
        case .cache(let cache):
            if let entry = cache[key] { return entry }
            guard let other = cache.key(of: id) else { return nil }
            throw .invalidArgument(
                "\(path) does not match the data: pair \(id.text) was computed with the key \(other), but its image, "
                    + "prompt and responses now have the key \(key); compute the cache again")
        }
    }
}
