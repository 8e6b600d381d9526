import DamaRuntime
import DamaSupport

/// The files of a language model in the hub's ONNX layout, in the directory itself or in its folder `onnx`.
///
/// | file of a LLaVA | inputs | outputs |
/// |---|---|---|
/// | `vision_encoder.onnx` | `pixel_values` | `image_features` |
/// | `embed_tokens.onnx` | `input_ids` | `inputs_embeds` |
/// | `decoder_model_merged.onnx` | `inputs_embeds`, `attention_mask`, `past_key_values.…` | `logits`, `present.…` |
///
/// A text-only model is one file, `decoder_model_merged.onnx` or `model.onnx`, that takes `input_ids`.
struct OnnxLayout {
    let decoder: String
    /// `nil` for a decoder that takes token ids.
    let embedding: String?
    /// `nil` for a text-only model.
    let vision: String?

    private static let visionName = "vision_encoder.onnx"
    private static let embeddingName = "embed_tokens.onnx"
    private static let decoderNames = ["decoder_model_merged.onnx", "model.onnx"]

    /// The layout of a directory; `nil` if it has none of the files.
    ///
    /// - Throws: ``DamaError/Code/io`` if only some of the files exist.
    init?(directory: String, takesImages: Bool) throws(DamaError) {
        let names = [Self.visionName, Self.embeddingName] + Self.decoderNames
        let folders = ["\(directory)/onnx", directory]
        guard let folder = folders.first(where: { folder in names.contains { Files.exists("\(folder)/\($0)") } })
        else { return nil }
        func required(_ name: String) throws(DamaError) -> String {
            guard Files.exists("\(folder)/\(name)") else {
                throw .io(
                    "\(folder)/\(name) is missing; a LLaVA in ONNX files is \(Self.visionName), \(Self.embeddingName) "
                        + "and \(Self.decoderNames[0])")
            }
            return "\(folder)/\(name)"
        }
        if takesImages {
            vision = try required(Self.visionName)
            embedding = try required(Self.embeddingName)
            decoder = try required(Self.decoderNames[0])
            return
        }
        guard let name = Self.decoderNames.first(where: { Files.exists("\(folder)/\($0)") }) else {
            throw .io(
                "\(folder) has neither \(Self.decoderNames.joined(separator: " nor ")), the decoder of a model in ONNX "
                    + "files")
        }
        vision = nil
        decoder = "\(folder)/\(name)"
        embedding = Files.exists("\(folder)/\(Self.embeddingName)") ? "\(folder)/\(Self.embeddingName)" : nil
    }

    var files: [String] { [decoder, embedding, vision].compactMap { $0 } }
}

/// Checks and hashes of models in ONNX files.
enum OnnxFile {
    /// Checks that a session has these inputs and outputs.
    ///
    /// - Parameter what: the role of the file for the message, such as "CLIP text model".
    /// - Throws: ``DamaError/Code/model`` if an input or output is missing; ``DamaError/Code/unsupported`` if an output
    ///   is not float32.
    static func require(
        _ session: Session, _ path: String, _ what: String, inputs: [String], outputs: [String]
    ) throws(DamaError) {
        for (needed, ports, kind) in [(inputs, session.inputs, "input"), (outputs, session.outputs, "output")] {
            for name in needed where !ports.contains(where: { $0.name == name }) {
                throw .model(
                    "\(path) is not a valid \(what): it has no \(kind) \"\(name)\"; its \(kind)s are \(list(ports))")
            }
        }
        for name in outputs {
            guard let port = session.outputs.first(where: { $0.name == name }), port.elementType != .float32 else {
                continue
            }
            throw wrongType(port, path, expected: "float32")
        }
    }

    static func wrongType(_ port: Session.Port, _ path: String, expected: String) -> DamaError {
        .unsupported(
            "\(path): \"\(port.name)\" has the type \(port.elementType.map { "\($0)" } ?? "(unknown)"); "
                + "it must be \(expected)")
    }

    /// The names of ports, with the many ports of a cache as a count.
    static func list(_ ports: [Session.Port]) -> String {
        let names = ports.map(\.name)
        let cache = names.filter { $0.hasPrefix("past_key_values.") || $0.hasPrefix("present.") }
        let rest = names.filter { !cache.contains($0) }.map { "\"\($0)\"" }
        let first = cache.first.map { ["\"\($0)\" and \(cache.count - 1) more of the cache"] } ?? []
        return (rest + first).joined(separator: ", ")
    }

    /// A hash over the bytes of files and of their external data.
    static func hash(of files: [String]) throws(DamaError) -> SHA256 {
        var hash = SHA256()
        for path in files {
            var parts = [path]
            // The hub's names for weights that are too large for the file itself.
            for data in ["\(path)_data"] + (1..<1000).map({ "\(path)_data_\($0)" }) {
                guard Files.exists(data) else { break }
                parts.append(data)
            }
            for part in parts {
                let file = try MappedFile(path: part)
                hash.update(UInt64(file.bytes.count))
                hash.update(file.bytes)
            }
        }
        return hash
    }
}
