import DamaSupport
import Glibc

/// The beams of one prompt.
///
/// Equals `generate(num_beams: k, do_sample: False)` of transformers 5 for a prompt on its own: the same candidates,
/// penalties and conditions to end. Where scores are equal, the earlier beam and then the lower token comes first;
/// transformers leaves that to `torch.topk`, whose order of equal values is not defined.
///
/// - Parameter State: what follows a beam's tokens; it finds stop strings.
struct BeamSearch<State> {
    /// A beam that goes on.
    struct Beam {
        var tokens: [Int32]
        /// Σ log π of its tokens.
        var score: Float
        var state: State
        /// Which of the prompt's rows of the cache it has, in 0 ..< width.
        var row: Int
    }

    /// A beam that ended.
    struct Finished {
        var continuation: Continuation
        /// With the length penalty.
        var score: Float
        var state: State
    }

    /// A beam and a token that may follow it.
    private struct Candidate {
        var score: Float
        var beam: Int
        var token: Int32
    }

    /// The score of a beam that is missing.
    private static var missing: Float { -1e9 }

    let width: Int
    /// The most tokens of a continuation.
    private let room: Int
    private let ends: [Int32]
    private let lengthPenalty: Double
    private let earlyStopping: EarlyStopping
    /// Running beams, best first.
    private(set) var beams: [Beam]
    /// The row of the beam that each of them continues.
    private(set) var sources: [Int] = []
    /// Finished beams, best first; at most `width`.
    private(set) var finished: [Finished] = []
    private(set) var isDone = false

    /// - Parameters:
    ///   - room: at least 1.
    ///   - ends: the end tokens.
    init(_ options: GenerationOptions, room: Int, ends: [Int32], state: State) {
        width = options.beams
        self.room = room
        self.ends = ends
        lengthPenalty = options.lengthPenalty
        earlyStopping = options.earlyStopping
        beams = [Beam(tokens: [], score: 0, state: state, row: 0)]
    }

    /// Extends the beams by a token, which gives them other rows.
    ///
    /// - Parameters:
    ///   - logits: the logits after each beam, [vocabulary] each.
    ///   - normalizers: log Σ exp of each beam's logits.
    ///   - push: takes a token of a beam that goes on; returns whether a stop string occurred.
    /// - Throws: ``DamaError/Code/model`` if every logit is NaN or −∞.
    mutating func advance(
        _ logits: [UnsafeBufferPointer<Float>], normalizers: [Float], push: (inout State, Int32) -> Bool
    ) throws(DamaError) {
        let candidates = best(max(2, 1 + ends.count) * width, logits, normalizers)
        guard !candidates.isEmpty else {
            throw .model("the model returned no finite logit; its weights or its input are damaged")
        }
        var running: [Beam] = []
        for (rank, candidate) in candidates.enumerated() {
            var beam = beams[candidate.beam]
            beam.score = candidate.score
            let length = beam.tokens.count + 1
            var finish: FinishReason? = .endToken
            if !ends.contains(candidate.token) {
                beam.tokens.append(candidate.token)
                finish = push(&beam.state, candidate.token) ? .stop : length == room ? .length : nil
            }
            if let finish {
                // The others only make sure that enough beams go on.
                if rank < width { add(beam, finish, length) }
            } else if running.count < width {
                running.append(beam)
            }
        }
        beams = running
        assignRows()
        isDone = running.isEmpty || !canImprove || (earlyStopping == .yes && finished.count == width)
    }

    /// The best continuations of all beams, best first.
    private func best(
        _ count: Int, _ logits: [UnsafeBufferPointer<Float>], _ normalizers: [Float]
    ) -> [Candidate] {
        var found: [Candidate] = []
        var least = -Float.infinity
        for (index, row) in logits.enumerated() {
            let (score, normalizer) = (beams[index].score, normalizers[index])
            for token in row.indices {
                let value = row[token] - normalizer + score
                guard value > least else { continue }
                if found.count == count { found.removeLast() }
                // Behind equal scores.
                var (low, high) = (0, found.count)
                while low < high {
                    let middle = (low + high) / 2
                    if found[middle].score >= value { low = middle + 1 } else { high = middle }
                }
                found.insert(Candidate(score: value, beam: index, token: Int32(clamping: token)), at: low)
                if found.count == count, let last = found.last { least = last.score }
            }
        }
        return found
    }

    private func normalized(_ score: Float, _ length: Int) -> Float {
        score / Float(pow(Double(length), lengthPenalty))
    }

    private mutating func add(_ beam: Beam, _ finish: FinishReason, _ length: Int) {
        let score = normalized(beam.score, length)
        guard score > (finished.count == width ? finished.last?.score : nil) ?? Self.missing else { return }
        if finished.count == width { finished.removeLast() }
        let place = finished.firstIndex { $0.score < score } ?? finished.endIndex
        finished.insert(
            Finished(continuation: Continuation(tokens: beam.tokens, finish: finish), score: score, state: beam.state),
            at: place)
    }

    /// Whether a running beam may still exceed a finished one.
    private var canImprove: Bool {
        guard let best = beams.first else { return false }
        let length = earlyStopping == .never && lengthPenalty > 0 ? room : best.tokens.count
        let worst = finished.count == width ? finished.last?.score : nil
        return normalized(best.score, length) > worst ?? Self.missing
    }

    // MARK: Rows

    /// Beams keep the row of the beam that they continue, as far as possible; others take a free one.
    private mutating func assignRows() {
        sources = beams.map(\.row)
        var free = Set(0..<width)
        var waiting: [Int] = []
        for index in beams.indices where free.remove(beams[index].row) == nil { waiting.append(index) }
        let rest = free.sorted()
        for (place, index) in waiting.enumerated() { beams[index].row = rest[place] }
    }
}
