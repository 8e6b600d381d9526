import DamaSupport

/// Token sequences laid out for a causal tower without padding: several in one sequence of the batch, each token seeing
/// those before it in its own text alone.
///
/// In a causal tower a token's state depends on the tokens before it and on nothing else. So texts that begin alike
/// share the states of their beginning, the start token at the least; a pack is a tree of tokens, and a token sees its
/// ancestors. The mask says who they are, and the position is the depth. Nothing is approximated: each row sees exactly
/// what it would see in a text of its own.
struct TokenPacks: Equatable {
    let packs: Int
    /// Tokens of a pack; shorter ones are filled up.
    let length: Int
    /// Texts of a pack; fewer are filled up.
    let ends: Int
    /// [packs, length]
    private(set) var tokens: [Int64]
    /// [packs, length]
    private(set) var positions: [Int64]
    /// [packs, 1, length, length]: 0 where a token (row) sees another (column), else a number that no score survives.
    private(set) var mask: [Float]
    /// [packs, ends]: the row of a text's last token, counted through all packs.
    private(set) var endRows: [Int64]
    /// [packs, 1, ends, length]: the rows of the mask at ``endRows``.
    private(set) var endMask: [Float]
    /// For each text, in the order in which it was laid out: its number in the caller's list, and its place in
    /// ``endRows``.
    private(set) var places: [(text: Int, row: Int)]

    static let hidden: Float = -1e9

    /// About as many tokens as a pack gets. Attention costs more in longer ones, filling up more in shorter ones.
    static let targetLength = 160
    /// About as many tokens as one run of the tower gets.
    static let targetTokens = 640

    static func == (a: TokenPacks, b: TokenPacks) -> Bool {
        a.tokens == b.tokens && a.positions == b.positions && a.mask == b.mask && a.endRows == b.endRows
    }

    // MARK: Layout

    /// Lays out sequences, none of them empty, for one or more runs.
    static func layOut(_ sequences: [[Int32]]) -> [TokenPacks] {
        // Sorted, each text's longest common beginning with any before it is that with its neighbour.
        let order = sequences.indices.sorted { sequences[$0].lexicographicallyPrecedes(sequences[$1]) }
        var total = 0
        var previous: [Int32] = []
        for text in order {
            total += sequences[text].count - common(previous, sequences[text])
            previous = sequences[text]
        }
        guard total > 0 else { return [] }
        let count = (total + targetLength / 2) / targetLength
        let fill = (total + max(1, count) - 1) / max(1, count)

        var trees: [Tree] = []
        var tree = Tree()
        for text in order {
            // Going on at the fill and not before it, the packs come out as many as planned, one text longer at most.
            if tree.tokens.count >= fill {
                trees.append(tree)
                tree = Tree()
            }
            tree.add(sequences[text], text)
        }
        trees.append(tree)
        let perRun = max(1, targetTokens / fill)
        return stride(from: 0, to: trees.count, by: perRun).map { start in
            TokenPacks(trees[start..<min(start + perRun, trees.count)])
        }
    }

    private static func common(_ a: [Int32], _ b: [Int32]) -> Int {
        zip(a, b).prefix { $0 == $1 }.count
    }

    /// The tokens of one pack.
    private struct Tree {
        var tokens: [Int32] = []
        var depths: [Int] = []
        /// For each token, the rows it sees, itself last.
        var paths: [[Int]] = []
        /// Text and row of its last token.
        var ends: [(text: Int, row: Int)] = []
        private var last: [Int32] = []

        mutating func add(_ sequence: [Int32], _ text: Int) {
            let shared = TokenPacks.common(last, sequence)
            var path = ends.last.map { Array(paths[$0.row].prefix(shared)) } ?? []
            for depth in shared..<max(shared, sequence.count) {
                path.append(tokens.count)
                tokens.append(sequence[depth])
                depths.append(depth)
                paths.append(path)
            }
            // A text that is there already, or the beginning of the one before, ends at the path's last row.
            ends.append((text, path.last ?? 0))
            last = sequence
        }
    }

    private init(_ trees: ArraySlice<Tree>) {
        let length = trees.map(\.tokens.count).max() ?? 0
        let ends = trees.map(\.ends.count).max() ?? 0
        packs = trees.count
        self.length = length
        self.ends = ends
        tokens = Array(repeating: 0, count: trees.count * length)
        positions = Array(repeating: 0, count: trees.count * length)
        mask = Array(repeating: Self.hidden, count: trees.count * length * length)
        endRows = Array(repeating: 0, count: trees.count * ends)
        endMask = Array(repeating: Self.hidden, count: trees.count * ends * length)
        places = []
        for (pack, tree) in trees.enumerated() {
            let start = pack * length
            for row in tree.tokens.indices {
                tokens[start + row] = Int64(tree.tokens[row])
                positions[start + row] = Int64(tree.depths[row])
                for column in tree.paths[row] { mask[(start + row) * length + column] = 0 }
            }
            for index in 0..<ends {
                // What fills up repeats the first row.
                let row = index < tree.ends.count ? tree.ends[index].row : 0
                endRows[pack * ends + index] = Int64(start + row)
                for column in tree.paths[row] { endMask[(pack * ends + index) * length + column] = 0 }
                if index < tree.ends.count { places.append((tree.ends[index].text, pack * ends + index)) }
            }
        }
    }
}
