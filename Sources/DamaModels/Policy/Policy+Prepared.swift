import DamaImage
import DamaRuntime
import DamaSupport

/// A preference pair as a model takes it: token ids and pixels.
public struct PreparedPair: Sendable {
    public var sequence: TokenSequence
    /// `nil` for a model of text alone.
    public var image: PreparedImage?
    /// Whether the chosen and the rejected response were cut to fit the maximum length.
    public var cuts: [Bool]

    /// Tokens of image, prompt and both responses.
    public var tokenCount: Int { sequence.count }
}

extension Policy {
    /// Tokenises and decodes. May run on other threads while the model computes.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for texts that cannot be laid out; what ``ImageDecoder`` throws.
    public func prepare(_ pair: PreferencePair) throws(DamaError) -> PreparedPair {
        let (sequence, cuts) = try layOut(pair)
        guard let processor else {
            guard pair.image == nil else {
                throw .invalidArgument("the pair has an image, but \(directory) is a model of text alone")
            }
            return PreparedPair(sequence: sequence, cuts: cuts)
        }
        guard let image = pair.image else { throw .invalidArgument("the pair has no image, but the model takes one") }
        return PreparedPair(
            sequence: sequence,
            image: try processor.process(image.decode(limits: options.imageLimits, options.imageDecoding)), cuts: cuts)
    }

    /// log π of both responses of every pair, in order. Images that are the same pixels are encoded once.
    public func logProbabilities(
        prepared pairs: [PreparedPair], run: RunOptions? = nil
    ) throws(DamaError) -> [PairLogProbabilities] {
        let features = try imageFeatures(pairs.map(\.image), run: run)
        let rows = zip(pairs, features).map { LlamaDecoder.Row($0.sequence, features: $1) }
        return zip(pairs, try score(rows, run: run)).map { pair, values in pair.split(values) }
    }

    /// The features of prepared images, each of them encoded once; empty where there is none.
    func imageFeatures(_ images: [PreparedImage?], run: RunOptions?) throws(DamaError) -> [[Float]] {
        var known: [[Float]: [Float]] = [:]
        var features: [[Float]] = []
        for image in images {
            guard let vision, let image else {
                features.append([])
                continue
            }
            if known[image.pixels] == nil { known[image.pixels] = try vision.features([image], options: run)[0] }
            features.append(known[image.pixels] ?? [])
        }
        return features
    }

    /// What log-probabilities depend on, part by part, so that a difference can be named.
    package func identity() throws(DamaError) -> JSON {
        var hash = SHA256()
        hash.update(try Files.read("\(directory)/tokenizer.json"))
        for token in tokenizer.tokensBesideFile { hash.update("\(token)\n".utf8) }
        return [
            "weights": .string(try decoder.fingerprint),
            "architecture": .string(
                SHA256.hex(of: Array("\(decoder.configuration)\(vision?.configuration as Any)".utf8))),
            "tokenizer": .string(hash.hexDigest),
            "template": .string(
                "\(template.prompt)\(template.responsePrefix){response}\(template.responseSuffix)|"
                    + "\(template.systemText(options.system))"
                    + (template.trimming == .none ? "" : "|\(template.trimming.rawValue) trimmed")),
            "image_processing": processor?.settings ?? .null,
            "image_decoding": processor == nil ? .null : options.imageDecoding.json,
            "maximum_length": .int(Int64(maximumLength)),
            "overlong": .string(options.overlong.rawValue),
        ]
    }
}

extension PreparedPair {
    /// The responses' parts of the token log-probabilities of the whole sequence.
    package func split(_ values: [Float]) -> PairLogProbabilities {
        var start = 0
        let responses = zip(sequence.responses, cuts).map { response, cut in
            defer { start += response.range.count }
            return ResponseLogProbability(tokens: Array(values[start..<start + response.range.count]), wasCut: cut)
        }
        return PairLogProbabilities(chosen: responses[0], rejected: responses[1])
    }
}
