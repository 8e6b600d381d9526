import DamaModels
import DamaSupport

/// Where a training job takes the reference's log-probabilities from.
enum ReferenceSource: Sendable {
    /// A cache that ``ReferenceJob`` wrote, by the contents of pairs.
    case cache(ReferenceCache)
    /// The `logps` field of the dataset itself, as RLAIF-V has it, by id. It does not say what it was computed with.
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
                    throw .model("the id \(id.text) is that of a row before; rows are told apart by their ids")
                }
            } catch {
                throw DamaError(.model, "\(path), line \(row.line): \(error.message)")
            }
        }
        guard !entries.isEmpty else { throw .model("\(path) has no row with \"logps\"") }
        self = .dataset(path: path, entries)
    }

    /// The numbers of a pair; `nil` where there are none.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` where the pair of this id was computed from other contents.
    func entry(key: String, id: JSON) throws(DamaError) -> ReferenceEntry? {
        switch self {
        case .dataset(_, let entries): return entries[ExactText(id.text)]
        case .cache(let cache):
            if let entry = cache[key] { return entry }
            guard let other = cache.key(of: id) else { return nil }
            throw .invalidArgument(
                "\(path) does not fit the data: pair \(id.text) was computed with the key \(other), but its image, "
                    + "prompt and responses now have the key \(key); compute the cache anew")
        }
    }
}
