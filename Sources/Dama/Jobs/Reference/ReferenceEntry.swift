import DamaImage
import DamaModels
import DamaSupport

/// A reference model's log-probabilities of one pair, as a line of a file.
public struct ReferenceEntry: Equatable, Sendable {
    public var id: JSON
    /// What it was computed from: see ``key(image:prompt:chosen:rejected:)``.
    public var key: String
    public var logProbabilities: PairLogProbabilities

    public init(id: JSON, key: String, logProbabilities: PairLogProbabilities) {
        self.id = id
        self.key = key
        self.logProbabilities = logProbabilities
    }

    /// SHA-256 of a pair's contents: image bytes, prompt, both responses. The model's part stands once, in the summary.
    public static func key(image: [UInt8]?, prompt: String, chosen: String, rejected: String) -> String {
        var hash = SHA256()
        for part in [Array(prompt.utf8), Array(chosen.utf8), Array(rejected.utf8), image ?? []] {
            hash.update(UInt64(part.count))
            hash.update(part)
        }
        return hash.hexDigest
    }

    /// As ``key(image:prompt:chosen:rejected:)``, reading the image where it is a file.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for an image given as pixels, of which no file's bytes are known.
    public static func key(_ pair: PreferencePair) throws(DamaError) -> String {
        var image: [UInt8]?
        switch pair.image {
        case nil: break
        case .bytes(let bytes): image = bytes
        case .path(let path): image = try Files.read(path)
        case .pixels:
            throw .invalidArgument(
                "the image is given as pixels, but a reference cache knows images by their file: give its path or bytes"
            )
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

    /// Reads a line of either format, or a row of RLAIF-V data: `logps` is the JSON text of a list of six fields, or of an
    /// object that holds it.
    ///
    /// - Throws: ``DamaError/Code/model`` naming what is missing.
    public init(_ json: JSON) throws(DamaError) {
        id = json["id"] ?? json["idx"] ?? .null
        key = json["key"]?.string ?? ""
        func floats(_ value: JSON?, _ name: String) throws(DamaError) -> [Float] {
            guard let list = value?.array else { throw .model("\(name) is no list of numbers") }
            var numbers: [Float] = []
            for element in list {
                guard let number = element.double else { throw .model("\(name) holds \(element.kind)") }
                numbers.append(Float(number))
            }
            return numbers
        }
        if let text = json["logps"] {
            var fields = text
            if let inner = text.string {
                do {
                    fields = try JSON(parsing: inner)
                } catch {
                    throw .model("logps: \(error.message)")
                }
            }
            guard let list = (fields["logps"] ?? fields).array, list.count == 6 else {
                throw .model(
                    "logps has to hold six fields: sum, mean and tokens of the chosen, then of the rejected response")
            }
            logProbabilities = PairLogProbabilities(
                chosen: ResponseLogProbability(tokens: try floats(list[2], "logps[2]")),
                rejected: ResponseLogProbability(tokens: try floats(list[5], "logps[5]")))
            // Sums are what trainers use; one that does not belong to its tokens comes of a damaged or mixed-up file.
            for (response, sum, name) in [
                (logProbabilities.chosen, list[0], "chosen"), (logProbabilities.rejected, list[3], "rejected"),
            ] {
                guard let sum = sum.double, abs(sum - response.sum) <= 0.05 + 1e-2 * abs(sum) else {
                    throw .model("logps: the \(name) sum is \(sum.text), but its tokens add up to \(response.sum)")
                }
            }
            return
        }
        func response(_ name: String) throws(DamaError) -> ResponseLogProbability {
            guard let part = json[name] else { throw .model("no log-probabilities of the \(name) response") }
            return ResponseLogProbability(
                tokens: try floats(part["tokens"], "\(name).tokens"), wasCut: part["was_cut"]?.bool ?? false)
        }
        logProbabilities = PairLogProbabilities(chosen: try response("chosen"), rejected: try response("rejected"))
    }
}
