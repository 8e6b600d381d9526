/// A prefix tree of tokens, by Unicode scalars.
struct PieceTrie: Sendable {
    /// From a node and a scalar to the next node.
    private var edges = MergeTable(capacity: 1024)
    /// The token that ends at each node; -1 if none does.
    private var ids: [Int32] = [-1]

    /// A later token replaces an equal one.
    mutating func insert(_ token: some Sequence<Unicode.Scalar>, _ id: Int32) {
        var node: Int32 = 0
        for scalar in token {
            if let edge = edges[node, Int32(scalar.value)] {
                node = edge.id
            } else {
                let next = Int32(ids.count)
                edges.insert(node, Int32(scalar.value), MergeTable.Merge(rank: 0, id: next))
                ids.append(-1)
                node = next
            }
        }
        ids[Int(node)] = id
    }

    /// Calls `visit` with the length and the id of each token at the start of `text`, shortest first.
    @inline(__always)
    func forEachPrefix(of text: ArraySlice<Unicode.Scalar>, _ visit: (Int, Int32) -> Void) {
        var node: Int32 = 0
        var length = 0
        for scalar in text {
            guard let edge = edges[node, Int32(scalar.value)] else { return }
            node = edge.id
            length += 1
            let id = ids[Int(node)]
            if id >= 0 { visit(length, id) }
        }
    }

    /// The id of a whole token.
    func id(of token: ArraySlice<Unicode.Scalar>) -> Int32? {
        var node: Int32 = 0
        for scalar in token {
            guard let edge = edges[node, Int32(scalar.value)] else { return nil }
            node = edge.id
        }
        return ids[Int(node)] >= 0 ? ids[Int(node)] : nil
    }
}
