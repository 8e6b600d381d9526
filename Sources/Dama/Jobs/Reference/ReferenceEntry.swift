import DamaImage
import DamaModels
import DamaSupport

/// A reference model's log-probabilities of one pair, stored as one line of a file.
public struct ReferenceEntry: Equatable, Sendable {
    package var id: JSON
    /// The hash of the pair that it was computed from: see ``key(image:prompt:chosen:rejected:)``.
    public var key: String
    public var logProbabilities: PairLogProbabilities

    package init(id: JSON, key: String, logProbabilities: PairLogProbabilities) {
        self.id = id
        self.key = key
        self.logProbabilities = logProbabilities
    }

    /// SHA-256 of a pair's contents: image bytes, prompt, both responses. The summary identifies the model once for all
    /// pairs.
    public static func key(image: [UInt8]?, prompt: String, chosen: String, rejected: String) -> String {
        var hash = SHA256()
        for part in [Array(prompt.utf8), Array(chosen.utf8), Array(rejected.utf8), image ?? []] {
            hash.update(UInt64(part.count))
            hash.update(part)
        }
        return hash.hexDigest
    }

    /// The same as ``key(image:prompt:chosen:rejected:)``; reads the image if it is a file.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for an image given as pixels, because the bytes of its file are
    ///   unknown.
    public static func key(_ pair: PreferencePair) throws(DamaError) -> String {
        var image: [UInt8]?
        switch pair.image {
        case nil: break
        case .bytes(let bytes): image = bytes
        case .path(let path): image = try ImageFile.read(path)
        case .pixels:
            throw .invalidArgument(
                "the image is given as pixels, but a reference cache identifies images by their file: give its path or "
                    + "bytes")
        }
        return key(image: image, prompt: pair.prompt, chosen: pair.chosen, rejected: pair.rejected)
    }

    func line(_ format: ReferenceOptions.Format) -> [UInt8] {
        let json: JSON
        switch format {
        case .full:
            func part(_ response: ResponseLogProbability) -> JSON {
                [
                    "sum": .double(response.sum), "mean": .double(response.mean), "count": .int(Int64(response.count)),
                    "was_cut": .bool(response.wasCut), "tokens": .array(response.tokens.map { .double(Double($0)) }),
                ]
            }
            json = [
                "id": id, "key": .string(key), "chosen": part(logProbabilities.chosen),
                "rejected": part(logProbabilities.rejected),
            ]
        case .logps:
            let fields = [logProbabilities.chosen, logProbabilities.rejected].flatMap { response -> [JSON] in
                [.double(response.sum), .double(response.mean), .array(response.tokens.map { .double(Double($0)) })]
            }
            json = ["idx": id, "key": .string(key), "logps": .string(JSON.array(fields).text)]
        }
        return Array(json.text.utf8) + [UInt8(ascii: "\n")]
    }
}
