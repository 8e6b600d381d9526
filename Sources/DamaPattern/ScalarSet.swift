/// A set of Unicode scalars, described as by a pattern's class: `\p{L}`, `[^\s\p{N}]`, `[a-z']`, a single character.
struct ScalarSet: Equatable, Sendable {
    enum Item: Equatable, Sendable {
        case range(ClosedRange<UInt32>)
        case categories(CategorySet, negated: Bool)
        case space(negated: Bool)
    }

    private(set) var items: [Item]
    private(set) var isNegated: Bool
    /// Letters match in either case.
    private(set) var ignoresCase: Bool
    /// Membership of U+0000…U+007F, precomputed.
    private var ascii: (UInt64, UInt64) = (0, 0)

    init(_ items: [Item], isNegated: Bool = false, ignoresCase: Bool = false) {
        self.items = items
        self.isNegated = isNegated
        self.ignoresCase = ignoresCase
        for value in UInt8(0)..<128 where holds(Unicode.Scalar(value)) {
            if value < 64 { ascii.0 |= 1 << UInt64(value) } else { ascii.1 |= 1 << UInt64(value - 64) }
        }
    }

    @inline(__always)
    func contains(_ scalar: Unicode.Scalar) -> Bool {
        let value = scalar.value
        if value < 64 { return ascii.0 & (1 << UInt64(value)) != 0 }
        if value < 128 { return ascii.1 & (1 << UInt64(value - 64)) != 0 }
        return holds(scalar)
    }

    private func holds(_ scalar: Unicode.Scalar) -> Bool {
        var found = lists(scalar)
        if !found, ignoresCase { found = Self.caseVariants(of: scalar).contains(where: lists) }
        return found != isNegated
    }

    private func lists(_ scalar: Unicode.Scalar) -> Bool {
        for item in items {
            switch item {
            case .range(let range): if range.contains(scalar.value) { return true }
            case .categories(let set, let negated):
                if set.contains(UnicodeClass.category(scalar)) != negated { return true }
            case .space(let negated): if UnicodeClass.isSpace(scalar) != negated { return true }
            }
        }
        return false
    }

    /// The upper-case and lower-case forms of `scalar` that are single characters: "ſ" gives "S" and "s".
    private static func caseVariants(of scalar: Unicode.Scalar) -> [Unicode.Scalar] {
        var variants: [Unicode.Scalar] = []
        func add(_ mapping: String) {
            if mapping.unicodeScalars.count == 1 { variants.append(contentsOf: mapping.unicodeScalars) }
        }
        add(scalar.properties.lowercaseMapping)
        add(scalar.properties.uppercaseMapping)
        if let upper = variants.last { add(upper.properties.lowercaseMapping) }
        return variants
    }

    static func == (a: ScalarSet, b: ScalarSet) -> Bool {
        a.items == b.items && a.isNegated == b.isNegated && a.ignoresCase == b.ignoresCase
    }
}
