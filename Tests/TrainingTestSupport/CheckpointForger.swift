import DamaModels
import DamaSupport

/// Checkpoints with other contents and a digest that fits them, as an attacker or a defect would write them.
package enum CheckpointForger {
    /// Replaces the text of the trainer's state in the checkpoint at `path`, and makes the digest right again.
    ///
    /// The digest is written down here again, from the comment at the head of Trainer+Checkpoint.swift: SHA-256 over the lengths and bytes
    /// of the state, and of each tensor's name followed by its bytes, in the order of the names.
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
        // Beside and renamed, so that the mapping above stays whole.
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
