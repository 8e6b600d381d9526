import DamaModels
import DamaSupport

/// Checkpoints with changed contents and a matching digest, as an attacker or a defect would write them.
package enum CheckpointForger {
    /// Changes the text of the trainer's state in the checkpoint at `path` and updates the digest.
    ///
    /// The digest is computed independently of the trainer: SHA-256 over the length and the bytes of the state, then
    /// over the length and the bytes of each tensor's name and the tensor's bytes, in the order of the names.
    package static func change(_ path: String, _ edit: (JSON) -> JSON) throws(DamaError) {
        let file = try SafetensorsFile(path: path)
        let text = edit(try JSON(parsing: file.metadata["dama.trainer"] ?? "")).text
        var hash = SHA256()
        hash.update(UInt64(text.utf8.count))
        hash.update(text.utf8)
        var tensors: [SafetensorsWriter.Tensor] = []
        for name in file.names.sorted() {
            guard let view = file[name] else { continue }
            hash.update(UInt64(name.utf8.count))
            hash.update(name.utf8)
            hash.update(view.bytes)
            tensors.append(.init(name: name, type: .float32, shape: view.shape, bytes: view.bytes))
        }
        let metadata = ["dama.trainer": text, "dama.sha256": hash.hexDigest]
        // The writer renames a new file, so that the mapping above stays valid.
        try withExtendedLifetime(file) { () throws(DamaError) in
            try SafetensorsWriter.write(tensors, metadata: metadata, to: path)
        }
    }
}

extension JSON {
    /// The object with `key` set to `value`.
    package func setting(_ key: String, _ value: JSON) -> JSON {
        .object(JSONObject((object?.members ?? []).filter { $0.key != key } + [(key: key, value: value)]))
    }
}
