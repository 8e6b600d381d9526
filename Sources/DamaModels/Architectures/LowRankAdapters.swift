import DamaGraph
import DamaSupport

/// Low-rank adapters (LoRA, Hu et al. 2021): the named projections compute W x + α/r · B A x.
public struct LowRankAdapters: Equatable, Sendable {
    /// The rank r.
    public var rank: Int
    /// α
    public var alpha: Double
    /// The probability p with which training sets a number that A takes to 0; the others are divided by 1 − p.
    public var dropout: Double
    /// The last parts of module names: `q_proj`, `down_proj`, ….
    public private(set) var targets: [String]
    /// Whether every module of the model that takes adapters gets one.
    private var takesAll: Bool

    /// The modules of the supported architectures; `all-linear` means all of a model's modules, as in PEFT.
    public static var knownTargets: [String] { Architectures.adapterModules }

    /// - Throws: ``DamaError/Code/invalidArgument`` for a rank outside 1 to 4096, an α that is not positive, a dropout
    ///   outside 0 ≤ p < 1, no target or an unknown one.
    public init(
        rank: Int, alpha: Double, targets: [String] = ["q_proj", "v_proj"], dropout: Double = 0
    ) throws(DamaError) {
        guard (1...4096).contains(rank) else { throw .invalidArgument("LoRA rank is \(rank); it must be 1 to 4096") }
        guard alpha.isFinite, alpha > 0 else { throw .invalidArgument("LoRA alpha is \(alpha); it must be positive") }
        guard dropout >= 0, dropout < 1 else {
            throw .invalidArgument("LoRA dropout is \(dropout); it must be 0 or more, and below 1")
        }
        guard !targets.isEmpty else { throw .invalidArgument("LoRA has no target modules") }
        let known = Self.knownTargets
        if let unknown = targets.first(where: { $0 != "all-linear" && !known.contains($0) }) {
            throw .invalidArgument(
                "LoRA target \"\(unknown)\" is unknown; it must be one of \(known.joined(separator: ", ")), all-linear")
        }
        self.rank = rank
        self.alpha = alpha
        self.dropout = dropout
        takesAll = targets.contains("all-linear")
        // Without duplicates, in the order of the layer.
        self.targets = takesAll ? known : known.filter { targets.contains($0) }
    }

    /// α / r
    public var scale: Double { alpha / Double(rank) }

    /// The targets in a model with these modules, in the model's order.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for a target that the model lacks.
    package func targets(among modules: [String]) throws(DamaError) -> [String] {
        if takesAll { return modules }
        if let missing = targets.first(where: { !modules.contains($0) }) {
            throw .invalidArgument(
                "LoRA target \"\(missing)\" does not exist in this model; it has \(modules.joined(separator: ", "))")
        }
        return modules.filter { targets.contains($0) }
    }

    /// One adapter for each weight of `graph` whose module is a target, in the graph's order.
    ///
    /// - Parameter modules: the model's modules that take adapters (``TrainableDecoder/adapterModules``).
    /// - Throws: ``DamaError/Code/invalidArgument`` for a target that the model lacks.
    package func adapters(in graph: Graph, modules: [String]) throws(DamaError) -> [Adapter] {
        let targets = Set(try targets(among: modules))
        return graph.weights.compactMap { weight in
            let name = graph.name(of: weight)
            let parts = name.split(separator: ".")
            guard parts.count > 1, parts.last == "weight", targets.contains(String(parts[parts.count - 2])) else {
                return nil
            }
            return Adapter(weight: name, rank: rank, scale: Float(scale), hasDropout: dropout > 0)
        }
    }
}
