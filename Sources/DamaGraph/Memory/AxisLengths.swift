import DamaSupport

/// The lengths of a graph's named axes in one run. The length of an axis that follows from others is computed from its
/// name: see ``Dimension``.
public struct AxisLengths: Sendable {
    private var known: [String: Int]

    /// - Parameter lengths: the lengths of the axes of the graph's inputs, by their names.
    public init(_ lengths: [String: Int]) { known = lengths }

    /// - Throws: ``DamaError/Code/internal`` for a name that cannot be computed; ``DamaError/Code/outOfMemory`` if the
    ///   length is not a number of a machine word.
    public func length(of dimension: Dimension) throws(DamaError) -> Int {
        switch dimension {
        case .fixed(let length): length
        case .symbol(let name): try length(named: name[...])
        }
    }

    /// The bytes of a tensor.
    public func byteCount(_ type: ElementType, _ shape: Shape) throws(DamaError) -> Int {
        var count = type.size
        for dimension in shape { count = try Self.product(count, length(of: dimension)) }
        return count
    }

    // MARK: Names

    private func length(named name: Substring) throws(DamaError) -> Int {
        if let length = known[String(name)] ?? Int(name) { return length }
        if let length = try blockLength(name) { return length }
        // Sums before products, which bind more closely; the last operator first.
        for (operation, apply) in [(" + ", 1), (" - ", -1)] {
            guard let place = name.lastPlace(of: operation) else { continue }
            let (first, second) = (try length(named: name[..<place]), try length(named: name[place...].dropFirst(3)))
            return apply > 0 ? try Self.sum(first, second) : max(0, first - second)
        }
        if let place = name.lastPlace(of: " * ") {
            return try Self.product(length(named: name[..<place]), length(named: name[place...].dropFirst(3)))
        }
        let (prefix, tile) = (Dimension.tilesPrefix, FusedOperators.attentionTile)
        guard name.hasPrefix(prefix) else { throw .internal("the axis \"\(name)\" has no known length") }
        return try Self.sum(length(named: name.dropFirst(prefix.count)), tile - 1) / tile
    }

    /// The length of a block of `GraphBuilder.causalAttention`: "sequence, 8 blocks of 16, end of 3". `nil` for another
    /// name.
    private func blockLength(_ name: Substring) throws(DamaError) -> Int? {
        guard let place = name.lastPlace(of: ", "), let before = name[..<place].lastPlace(of: ", ") else { return nil }
        let (sizes, what) = (Self.numbers(name[..<place][before...]), Self.numbers(name[place...]))
        guard sizes.count == 2, what.count == 1, sizes[0] > 0 else { return nil }
        let (sequence, count) = (try length(named: name[..<before]), sizes[0])
        let width = max((sequence + count - 1) / count, sizes[1])
        func end(_ number: Int) -> Int {
            if number == count { return sequence }
            return max(0, min(width * number, sequence - (count - number)))
        }
        return name[place...].lastPlace(of: "queries") == nil ? end(what[0]) : end(what[0]) - end(what[0] - 1)
    }

    private static func numbers(_ text: Substring) -> [Int] {
        text.split { !("0"..."9").contains($0) }.compactMap { Int($0) }
    }

    // MARK: Arithmetic

    private static func product(_ a: Int, _ b: Int) throws(DamaError) -> Int {
        let (product, overflow) = a.multipliedReportingOverflow(by: b)
        guard !overflow else { throw .outOfMemory("no memory can hold a tensor of \(a) · \(b) elements") }
        return product
    }

    private static func sum(_ a: Int, _ b: Int) throws(DamaError) -> Int {
        let (sum, overflow) = a.addingReportingOverflow(b)
        guard !overflow else { throw .outOfMemory("no memory can hold an axis of \(a) + \(b) elements") }
        return sum
    }
}

extension Substring {
    /// Where the last occurrence of `text` starts.
    fileprivate func lastPlace(of text: String) -> Index? {
        var place = endIndex
        while place > startIndex {
            place = index(before: place)
            if self[place...].hasPrefix(text) { return place }
        }
        return nil
    }
}
