import DamaSupport
import Synchronization

/// The weights of a model in one file or in shards with an index, safetensors or files of `torch.save`, as one table of
/// tensors. May be used from several threads.
public final class WeightStore: Sendable {
    /// The directory or the file of the weights.
    public let path: String
    /// Every tensor's name, sorted.
    public let names: [String]
    /// The names of the tensors that ``adding(_:renamed:)`` took from other files.
    public let addedNames: Set<String>
    private let tensors: [String: TensorView]
    private let cachedFingerprint = Mutex<String?>(nil)

    /// The names of one file of weights, best first. The index of its shards has the name with `.index.json`.
    private static let fileNames = ["model.safetensors", "pytorch_model.bin"]

    /// Opens `model.safetensors` of a Hugging Face directory, or the shards that `model.safetensors.index.json` lists;
    /// without these `pytorch_model.bin` or its shards. A single file goes before shards, as in transformers.
    ///
    /// - Throws: ``DamaError/Code/io`` for missing files; ``DamaError/Code/model`` for wrong contents;
    ///   ``DamaError/Code/unsupported`` for a file of `torch.save` with other objects than tensors.
    public convenience init(directory: String) throws(DamaError) {
        for name in Self.fileNames {
            let single = "\(directory)/\(name)"
            if Files.exists(single) {
                try self.init(file: single)
                return
            }
            let index = "\(single).index.json"
            if Files.exists(index) {
                self.init(path: directory, tensors: try Self.shards(directory: directory, index: index))
                return
            }
        }
        guard Files.isDirectory(directory) else {
            throw .io("\(directory) is not a directory; expected one that holds a model")
        }
        let wanted = Self.fileNames.flatMap { [$0, "\($0).index.json"] }
        throw .io(
            "\(directory) has no weights; expected one of \(wanted.joined(separator: ", "))"
                + ModelDirectory.weightsInstead(directory))
    }

    /// Opens one file: of `torch.save` if its name ends in `.bin`, `.pt` or `.pth`, otherwise safetensors.
    public convenience init(file path: String) throws(DamaError) {
        self.init(path: path, tensors: try Self.tensors(file: path))
    }

    private init(path: String, tensors: [String: TensorView], addedNames: Set<String> = []) {
        self.path = path
        self.tensors = tensors
        self.addedNames = addedNames
        names = tensors.keys.sorted()
    }

    /// These weights and those of `other`, with another name each; a name that is here already stays as it is.
    func adding(_ other: WeightStore, renamed: (String) -> String?) -> WeightStore {
        var (tensors, added) = (tensors, addedNames)
        for name in other.names {
            guard let tensor = other.tensors[name], let name = renamed(name), tensors[name] == nil else { continue }
            tensors[name] = tensor.named(name)
            added.insert(name)
        }
        return WeightStore(path: path, tensors: tensors, addedNames: added)
    }

    /// Whether the directory has weights.
    static func exists(in directory: String) -> Bool {
        fileNames.contains { Files.exists("\(directory)/\($0)") || Files.exists("\(directory)/\($0).index.json") }
    }

    private static func tensors(file path: String) throws(DamaError) -> [String: TensorView] {
        let views: [TensorView]
        if [".bin", ".pt", ".pth"].contains(where: path.hasSuffix) {
            views = try TorchFile(path: path).tensors
        } else {
            let file = try SafetensorsFile(path: path)
            views = file.names.compactMap { file[$0] }
        }
        var tensors = [String: TensorView](minimumCapacity: views.count)
        for view in views { tensors[view.name] = view }
        return tensors
    }

    // MARK: Tensors

    public func contains(_ name: String) -> Bool { tensors[name] != nil }

    /// The files that hold the tensors.
    var files: Set<MappedFile.Identity> { Set(tensors.values.map(\.owner.identity)) }

    /// The number of bytes of all tensors.
    public var byteCount: Int { tensors.values.reduce(0) { $0 + $1.bytes.count } }

    /// The tensor called `name`.
    ///
    /// - Parameter expectedShape: the shape that the model's configuration requires.
    /// - Throws: ``DamaError/Code/model`` if the tensor does not exist or has another shape, naming both shapes.
    public func tensor(_ name: String, expectedShape: [Int]? = nil) throws(DamaError) -> TensorView {
        guard let tensor = tensors[name] else {
            throw .model("\(path) has no tensor \"\(name)\" among its \(tensors.count)")
        }
        if let expectedShape, tensor.shape != expectedShape {
            throw .model("\(path): tensor \"\(name)\" has the shape \(tensor.shape), expected \(expectedShape)")
        }
        return tensor
    }

    // MARK: Fingerprint

    /// SHA-256, in hexadecimal, over the name, type, shape and bytes of every tensor, in the order of their names. The
    /// division into files and the files' metadata do not affect it.
    ///
    /// The first use reads all weights, on all cores; the result is cached.
    public var fingerprint: String {
        cachedFingerprint.withLock { cached in
            if let cached { return cached }
            let result = computeFingerprint()
            cached = result
            return result
        }
    }

    private func computeFingerprint() -> String {
        let digests = Mutex([[UInt8]](repeating: [], count: names.count))
        Concurrent.forEach(names.count) { index in
            guard let tensor = tensors[names[index]] else { return }
            var hash = SHA256()
            for text in [tensor.name, tensor.type.name, "\(tensor.shape)"] {
                hash.update(UInt64(text.utf8.count))
                hash.update(text.utf8)
            }
            hash.update(tensor.bytes)
            digests.withLock { $0[index] = hash.digest }
        }
        var hash = SHA256()
        for digest in digests.withLock({ $0 }) { hash.update(digest) }
        return hash.hexDigest
    }

    // MARK: Shards

    private static func shards(directory: String, index: String) throws(DamaError) -> [String: TensorView] {
        guard let map = try Files.readJSON(index)["weight_map"]?.object else {
            throw .model("\(index): expected an object \"weight_map\" from tensor names to file names")
        }
        if let name = map.repeatedKey { throw .model("\(index): \"weight_map\" names tensor \"\(name)\" twice") }
        var files: [String: [String: TensorView]] = [:]
        var tensors = [String: TensorView](minimumCapacity: map.count)
        for member in map.members {
            guard let shard = member.value.string else {
                throw .model(
                    "\(index): the file name of tensor \"\(member.key)\" must be a string, found \(member.value.kind)")
            }
            // A shard is in the directory of its index; a path that leads elsewhere is refused.
            guard !shard.isEmpty, !shard.utf8.contains(UInt8(ascii: "/")), !shard.utf8.contains(0) else {
                throw .model("\(index): \"\(shard)\" is not the name of a file in the directory of the index")
            }
            if files[shard] == nil {
                guard Files.exists("\(directory)/\(shard)") else {
                    throw .io("\(directory)/\(shard) is missing; \(index) places tensor \"\(member.key)\" there")
                }
                files[shard] = try Self.tensors(file: "\(directory)/\(shard)")
            }
            guard let tensor = files[shard]?[member.key] else {
                throw .model("\(directory)/\(shard) has no tensor \"\(member.key)\"; \(index) places it there")
            }
            tensors[member.key] = tensor
        }
        return tensors
    }
}
