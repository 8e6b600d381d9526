import CDama
import Dama

/// What a `dama_scored_pairs *` points to.
private final class ScoredPairs: Sendable {
    let outcomes: [Outcome]
    /// The messages of bad pairs; empty texts for the others.
    let messages: Strings

    enum Outcome: Sendable {
        case scored(ScoredPair, delta: Double)
        case bad(DamaError.Code)
    }

    init(_ results: [Result<Scorer.SplitHardness, DamaError>]) {
        outcomes = results.map { result in
            switch result {
            case .success(let found): .scored(ScoredPair(found), delta: found.hardness.delta)
            case .failure(let error): .bad(error.code)
            }
        }
        messages = Strings(
            results.map { result in
                switch result {
                case .success: ""
                case .failure(let error): error.message
                }
            })
    }

    static func from(_ handle: OpaquePointer?) throws -> ScoredPairs {
        guard let handle else { throw DamaError.invalidArgument("pairs is NULL") }
        return Unmanaged<ScoredPairs>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
    }
}

@c @implementation
public func dama_scorer_hardness_batch(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ handle: OpaquePointer?,
    _ pairs: UnsafePointer<dama_response_pair>?, _ count: Int, _ options: UnsafePointer<dama_hardness_options>?,
    _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let scorer = try scorer(handle)
        let given = try buffer(pairs, count, "pairs").enumerated().map { index, pair in
            Scorer.ResponsePair(
                image: try require(pair.image, "pair \(index): image").pointee.swift("pair \(index): image"),
                chosen: try string(pair.chosen, "pair \(index): chosen"),
                rejected: try string(pair.rejected, "pair \(index): rejected"))
        }
        var settings = dama_hardness_options()
        if let options {
            settings = try readStruct(options, "options", defaults: settings)
        }
        let found = try scorer.hardness(
            of: given, deltaSource: .init(settings.delta_source),
            splitter: SplitterHandle.named(by: settings.splitter), stop: Cancellation.signal(cancellation),
            run: Cancellation.run(cancellation, scorer.makeRunOptions))
        out.pointee = OpaquePointer(Unmanaged.passRetained(ScoredPairs(found)).toOpaque())
    }
}

@c @implementation
public func dama_scored_pairs_free(_ pairs: OpaquePointer?) {
    release(pairs, ScoredPairs.self)
}

@c @implementation
public func dama_scored_pairs_count(_ pairs: OpaquePointer?) -> Int {
    (try? ScoredPairs.from(pairs))?.outcomes.count ?? 0
}

@c @implementation
public func dama_scored_pairs_at(
    _ pairs: OpaquePointer?, _ index: Int, _ outcome: UnsafeMutablePointer<dama_pair_outcome>?
) -> dama_status {
    guarded {
        let pairs = try ScoredPairs.from(pairs)
        let outcome = try require(outcome, "outcome")
        guard pairs.outcomes.indices.contains(index) else {
            throw DamaError.invalidArgument(
                "pair \(UInt(bitPattern: index)) is beyond the end; there are \(pairs.outcomes.count)")
        }
        var value = dama_pair_outcome()
        switch pairs.outcomes[index] {
        case .scored(let pair, let delta):
            value.delta = delta
            value.pair = pair.borrowed
        case .bad(let code):
            value.status = code.status
            value.delta = .nan
            value.message = pairs.messages.at(index)
        }
        outcome.pointee = value
    }
}
