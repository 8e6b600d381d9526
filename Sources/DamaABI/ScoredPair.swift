import CDama
import Dama

/// What a `dama_scored_pair *` points to.
final class ScoredPair: Sendable {
    let chosen: Response
    let rejected: Response

    /// The sub-sentences of one response, as C strings.
    struct Response: Sendable {
        let sentences: [PairHardness.SubSentence]
        let texts: Strings
        let flags: Strings

        init(_ sentences: [PairHardness.SubSentence], flags: [String]) {
            self.sentences = sentences
            texts = Strings(sentences.map(\.text))
            self.flags = Strings(flags)
        }
    }

    init(_ pair: Scorer.SplitHardness) {
        chosen = Response(pair.hardness.chosen, flags: pair.chosenFlags)
        rejected = Response(pair.hardness.rejected, flags: pair.rejectedFlags)
    }

    /// A handle that this object keeps.
    var borrowed: OpaquePointer { OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }

    static func from(_ handle: OpaquePointer?) throws -> ScoredPair {
        guard let handle else { throw DamaError.invalidArgument("pair is NULL") }
        return Unmanaged<ScoredPair>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
    }

    func response(_ response: dama_response) throws -> Response {
        switch response {
        case DAMA_CHOSEN: return chosen
        case DAMA_REJECTED: return rejected
        default: throw DamaError.unknownResponse(response)
        }
    }
}

// MARK: - Scoring

@c @implementation
public func dama_hardness_options_init_sized(_ options: UnsafeMutablePointer<dama_hardness_options>?, _ size: Int) {
    initStruct(options, size, dama_hardness_options())
}

@c @implementation
public func dama_scorer_hardness(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ handle: OpaquePointer?, _ image: UnsafePointer<dama_image>?,
    _ chosen: UnsafePointer<CChar>?, _ rejected: UnsafePointer<CChar>?,
    _ options: UnsafePointer<dama_hardness_options>?, _ delta: UnsafeMutablePointer<Double>?,
    _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let scorer = try scorer(handle)
        let image = try require(image, "image").pointee.swift("image")
        let chosen = try string(chosen, "chosen")
        let rejected = try string(rejected, "rejected")
        let delta = try require(delta, "delta")
        var settings = dama_hardness_options()
        if let options {
            settings = try readStruct(options, "options", defaults: settings)
        }
        let found = try scorer.hardness(
            image: image, chosen: chosen, rejected: rejected, deltaSource: .init(settings.delta_source),
            splitter: SplitterHandle.named(by: settings.splitter), stop: Cancellation.signal(cancellation),
            run: Cancellation.run(cancellation, scorer.makeRunOptions))
        out?.pointee = OpaquePointer(Unmanaged.passRetained(ScoredPair(found)).toOpaque())
        delta.pointee = found.hardness.delta
    }
}

// MARK: - Sub-sentences

@c @implementation
public func dama_scored_pair_free(_ pair: OpaquePointer?) {
    release(pair, ScoredPair.self)
}

@c @implementation
public func dama_scored_pair_count(_ pair: OpaquePointer?, _ response: dama_response) -> Int {
    (try? ScoredPair.from(pair).response(response))?.sentences.count ?? 0
}

@c @implementation
public func dama_scored_pair_at(
    _ pair: OpaquePointer?, _ response: dama_response, _ index: Int,
    _ sentence: UnsafeMutablePointer<dama_scored_sentence>?
) -> dama_status {
    guarded {
        let response = try ScoredPair.from(pair).response(response)
        let sentence = try require(sentence, "sentence")
        guard response.sentences.indices.contains(index) else {
            throw DamaError.invalidArgument(
                "sub-sentence \(UInt(bitPattern: index)) is beyond the end; there are \(response.sentences.count)")
        }
        var value = dama_scored_sentence()
        value.text = response.texts.at(index)
        value.probability = response.sentences[index].probability
        value.score = response.sentences[index].score
        sentence.pointee = value
    }
}

@c @implementation
public func dama_scored_pair_flags(_ pair: OpaquePointer?, _ response: dama_response) -> OpaquePointer? {
    (try? ScoredPair.from(pair).response(response))?.flags.borrowed
}
