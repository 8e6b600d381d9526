import DamaModels
import DamaSupport

/// Which weights are trained.
public enum Trainable: Equatable, Sendable {
    /// The whole language model, and the projector if it exists. The vision tower stays frozen, as in LLaVA.
    case full
    /// Low-rank adapters of frozen weights.
    case lora(LowRankAdapters)
    /// Only the projector of images; in LLaVA-1.6 also the vector behind each row of patches (`image_newline`).
    case projector
    /// Weights whose name in the files matches one of these patterns; `*` matches any text.
    case patterns([String])

    /// `full`, `lora`, `projector` or `patterns`.
    public var name: String {
        switch self {
        case .full: "full"
        case .lora: "lora"
        case .projector: "projector"
        case .patterns: "patterns"
        }
    }

    /// Whether a weight of the files is trained. Adapters are not weights of the files.
    func selects(_ name: String, isVision: Bool, isProjector: Bool) -> Bool {
        switch self {
        case .full: !isVision || isProjector
        case .lora: false
        case .projector: isProjector
        case .patterns(let patterns): patterns.contains { Self.matches(name[...], $0[...]) }
        }
    }

    /// Whether `name` matches `pattern`; `*` matches any text.
    static func matches(_ name: Substring, _ pattern: Substring) -> Bool {
        let (name, pattern) = (Array(name.utf8), Array(pattern.utf8))
        var (at, here) = (0, 0)
        var back: (pattern: Int, name: Int)?
        while at < name.count {
            if here < pattern.count, pattern[here] == UInt8(ascii: "*") {
                back = (here, at)
                here += 1
            } else if here < pattern.count, pattern[here] == name[at] {
                at += 1
                here += 1
            } else if let last = back {
                // The star matches one more byte.
                back = (last.pattern, last.name + 1)
                (at, here) = (last.name + 1, last.pattern + 1)
            } else {
                return false
            }
        }
        return pattern[here...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
