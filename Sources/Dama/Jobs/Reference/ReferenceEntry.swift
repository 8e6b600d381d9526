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

    /// SHA-256 of a conversation with any messages and images. One question in one text with at most one image has the
    /// key of ``key(image:prompt:chosen:rejected:)``.
    static func key(images: [[UInt8]], messages: [ChatMessage], chosen: String, rejected: String) -> String {
        if images.count <= 1, messages.count == 1, messages[0].role == .user, messages[0].content.count == 1,
            case .text(let prompt) = messages[0].content[0]
        {
            return key(image: images.first, prompt: prompt, chosen: chosen, rejected: rejected)
        }
        var hash = SHA256()
        func add(_ bytes: some Collection<UInt8>) {
            hash.update(UInt64(bytes.count))
            hash.update(Array(bytes))
        }
        // No text has this length, so no key is that of another kind.
        hash.update(UInt64.max)
        hash.update(UInt64(messages.count))
        for message in messages {
            add(message.role.rawValue.utf8)
            hash.update(UInt64(message.content.count))
            for part in message.content {
                switch part {
                case .image: hash.update(UInt64.max)
                case .text(let text): add(text.utf8)
                }
            }
        }
        add(chosen.utf8)
        add(rejected.utf8)
        hash.update(UInt64(images.count))
        for image in images { add(image) }
        return hash.hexDigest
    }

    /// The key of a pair; reads the images that are files.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for an image given as pixels, because the bytes of its file are
    ///   unknown.
    public static func key(_ pair: PreferencePair) throws(DamaError) -> String {
        var images: [[UInt8]] = []
        for image in pair.images {
            switch image {
            case .bytes(let bytes): images.append(bytes)
            case .path(let path): images.append(try ImageFile.read(path))
            case .pixels:
                throw .invalidArgument(
                    "the image is given as pixels, but a reference cache identifies images by their file: give its path "
                        + "or bytes")
            }
        }
        return key(images: images, messages: pair.messages, chosen: pair.chosen, rejected: pair.rejected)
    }

    /// The entry as a line of output.
    func json(_ format: ReferenceOptions.Format) -> JSON {
        switch format {
        case .full:
            func part(_ response: ResponseLogProbability) -> JSON {
                [
                    "sum": .double(response.sum), "mean": .double(response.mean), "count": .int(Int64(response.count)),
                    "was_cut": .bool(response.wasCut), "tokens": .array(response.tokens.map { .double(Double($0)) }),
                ]
            }
            return [
                "id": id, "key": .string(key), "chosen": part(logProbabilities.chosen),
                "rejected": part(logProbabilities.rejected),
            ]
        case .logps, .released:
            let fields = [logProbabilities.chosen, logProbabilities.rejected].flatMap { response -> [JSON] in
                [.double(response.sum), .double(response.mean), .array(response.tokens.map { .double(Double($0)) })]
            }
            return ["idx": id, "key": .string(key), "logps": .string(JSON.array(fields).text)]
        }
    }
}
