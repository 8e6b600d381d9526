import DamaGraph
import DamaSupport

/// Low-rank adapters (LoRA, Hu et al. 2021): W x + α/r · B A x beside the projections that are named.
public struct LowRankAdapters: Equatable, Sendable {
    /// r
    public var rank: Int
    /// α
    public var alpha: Double
    /// Last parts of module names: `q_proj`, `down_proj`, ….
    public var targets: [String]

    /// The projections of a Llama layer, all of which may be named; `all-linear` stands for them all, as in PEFT.
    public static let knownTargets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

    /// There is no dropout: the same input always gives the same gradient.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for a rank below 1, an α that is not positive, no target or an unknown
    ///   one.
    public init(rank: Int, alpha: Double, targets: [String] = ["q_proj", "v_proj"]) throws(DamaError) {
        guard (1...4096).contains(rank) else { throw .invalidArgument("LoRA rank is \(rank); it must be 1 to 4096") }
        guard alpha.isFinite, alpha > 0 else { throw .invalidArgument("LoRA alpha is \(alpha); it must be positive") }
        guard !targets.isEmpty else { throw .invalidArgument("LoRA has no target modules") }
        if let unknown = targets.first(where: { $0 != "all-linear" && !Self.knownTargets.contains($0) }) {
            throw .invalidArgument(
                "LoRA target \"\(unknown)\" matches nothing; there are \(Self.knownTargets.joined(separator: ", ")) and "
                    + "all-linear")
        }
        self.rank = rank
        self.alpha = alpha
        // Each once, in the order of the layer.
        self.targets =
            targets.contains("all-linear") ? Self.knownTargets : Self.knownTargets.filter { targets.contains($0) }
    }

    /// α / r
    public var scale: Double { alpha / Double(rank) }

    /// One adapter for each weight of `graph` whose module is a target.
    public func adapters(in graph: Graph) -> [Adapter] {
        graph.weights.map(graph.name(of:)).filter { name in
            targets.contains { name.hasSuffix(".\($0).weight") }
        }.map { Adapter(weight: $0, rank: rank, scale: Float(scale)) }
    }
}
