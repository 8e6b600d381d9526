/// The length of one axis of a tensor: known when the graph is built, or named and known when it runs.
///
/// Two axes of the same name have the same length in a run. A length that is computed from others has the formula as
/// its name: `"past + sequence"`, `"sequence - 1"`.
public enum Dimension: Hashable, Sendable {
    case fixed(Int)
    case symbol(String)

    /// The length, if it is known when the graph is built.
    public var fixed: Int? { if case .fixed(let length) = self { length } else { nil } }

    static func + (a: Dimension, b: Dimension) -> Dimension {
        switch (a, b) {
        case (.fixed(let a), .fixed(let b)):
            let (sum, overflow) = a.addingReportingOverflow(b)
            return overflow ? .symbol("\(a) + \(b)") : .fixed(sum)
        case (_, .fixed(0)): return a
        case (.fixed(0), _): return b
        default: return .symbol("\(a) + \(b)")
        }
    }

    static let tilesPrefix = "tiles of "

    /// The number of tiles of ``FusedOperators/attentionTile`` into which the axis is divided.
    var tiles: Dimension {
        let tile = FusedOperators.attentionTile
        return switch self {
        case .fixed(let length): .fixed(length / tile + (length % tile == 0 ? 0 : 1))
        case .symbol(let name): .symbol(Self.tilesPrefix + name)
        }
    }

    static func - (a: Dimension, length: Int) -> Dimension {
        switch a {
        case .fixed(let a): .fixed(max(0, a - length))
        case .symbol(let name): length == 0 ? a : .symbol("\(name) - \(length)")
        }
    }
}

extension Dimension: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, CustomStringConvertible {
    public init(integerLiteral value: Int) { self = .fixed(value) }
    public init(stringLiteral value: String) { self = .symbol(value) }

    public var description: String {
        switch self {
        case .fixed(let length): "\(length)"
        case .symbol(let name): name
        }
    }
}

/// The lengths of all axes, outermost first; empty for a scalar.
public typealias Shape = [Dimension]

extension Shape {
    /// The lengths, if all are known when the graph is built.
    var fixed: [Int]? {
        var lengths: [Int] = []
        for dimension in self {
            guard let length = dimension.fixed else { return nil }
            lengths.append(length)
        }
        return lengths
    }

    /// The number of elements as one length: `"batch * sequence"` if it is not known.
    var product: Dimension {
        var product = 1
        for dimension in self {
            let (next, overflow) = product.multipliedReportingOverflow(by: dimension.fixed ?? 1)
            guard dimension.fixed != nil, !overflow else {
                return .symbol(map(\.description).joined(separator: " * "))
            }
            product = next
        }
        return .fixed(product)
    }

    /// The form in messages: `[batch, 4]`.
    var text: String { "[\(map(\.description).joined(separator: ", "))]" }
}
