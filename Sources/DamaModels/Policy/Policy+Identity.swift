import DamaSupport
import DamaText

extension Policy {
    /// SHA-256, in hexadecimal, of everything that the texts of prompts depend on.
    package var formatDigest: String { SHA256.hex(of: Array(text.format.identity.text.utf8)) }

    /// Everything that log-probabilities depend on, by part, so that an error can name the difference. The keys are
    /// stored in files and must not change.
    ///
    /// Up to version 0.1 "architecture" was a hash and "template" a text. Such a file differs from this identity, and the
    /// error shows both values.
    package func identity() throws(DamaError) -> JSON {
        var hash = SHA256()
        for name in try Tokenizer.files(in: directory) { hash.update(try Files.read("\(directory)/\(name)")) }
        for token in tokenizer.tokensBesideFile { hash.update("\(token)\n".utf8) }
        let parts: JSONObject = [
            "weights": .string(try decoder.fingerprint),
            "architecture": ["decoder": decoder.identity, "vision": vision?.identity ?? .null],
            "tokenizer": .string(hash.hexDigest),
            "template": text.format.identity,
            "image_processing": vision?.processing ?? .null,
            "image_decoding": vision == nil ? .null : options.imageDecoding.json,
            "maximum_length": .int(Int64(maximumLength)),
            "overlong": .string(options.overlong.rawValue),
        ]
        // Files of versions without this setting are of float32.
        let own: JSONObject = precision == .float32 ? [:] : ["precision": .string(precision.rawValue)]
        return .object(JSONObject(parts.members + own.members))
    }

    /// A name of the weights and what they are computed in, for caches of what the model writes.
    package func modelName() throws(DamaError) -> String { "model \(try decoder.fingerprint)\(precision.mark)" }
}
