import DamaSupport

/// Token sequences packed for a causal tower without padding: a sequence of the batch holds several texts, and a token
/// attends only to the tokens before it in its own text.
///
/// In a causal tower a token's state depends only on the tokens before it. So texts with a common beginning share the
/// states of that beginning, which is at least the start token. A pack is a tree of tokens: a token attends to its
/// ancestors, which the mask encodes, and its position is its depth. Nothing is approximated: each row sees exactly
/// what it would see in a sequence of its own.
struct TokenPacks: Equatable {
    let packs: Int
    /// Tokens of a pack; shorter packs are padded.
    let length: Int
    /// Texts of a pack; packs with fewer texts are padded.
    let ends: Int
    /// [packs, length]
    private(set) var tokens: [Int64]
    /// [packs, length]
    private(set) var positions: [Int64]
    /// [packs, 1, length, length]: 0 where a token (row) attends to another (column), else a large negative number.
    private(set) var mask: [Float]
    /// [packs, ends]: the row of a text's last token, counted through all packs.
    private(set) var endRows: [Int64]
    /// [packs, 1, ends, length]: the rows of the mask at ``endRows``.
    private(set) var endMask: [Float]
    /// For each text, in layout order: its index in the caller's list, and its index in ``endRows``.
    private(set) var places: [(text: Int, row: Int)]

    static let hidden: Float = -1e9

    /// The approximate number of tokens of a pack. Longer packs cost more attention, shorter ones more padding.
    static let targetLength = 160

    static func == (a: TokenPacks, b: TokenPacks) -> Bool {
        a.tokens == b.tokens && a.positions == b.positions && a.mask == b.mask && a.endRows == b.endRows
    }

    // MARK: Layout

    /// Lays out non-empty sequences for one or more runs of about `runTokens` tokens.
    static func layOut(_ sequences: [[Int32]], runTokens: Int) -> [TokenPacks] {
        // After sorting, a text shares its longest common prefix with its predecessor.
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
            // Closing a pack only at its fill gives the planned number of packs, each at most one text longer.
            if tree.tokens.count >= fill {
                trees.append(tree)
                tree = Tree()
            }
            tree.add(sequences[text], text)
        }
        trees.append(tree)
        let perRun = max(1, runTokens / fill)
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
        /// For each token, the rows that it attends to, its own last.
        var paths: [[Int]] = []
        /// The texts, each with the row of its last token.
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
            // A duplicate, or a prefix of the previous text, ends at the path's last row.
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
                // Padding repeats the first row.
                let row = index < tree.ends.count ? tree.ends[index].row : 0
                endRows[pack * ends + index] = Int64(start + row)
                for column in tree.paths[row] { endMask[(pack * ends + index) * length + column] = 0 }
                if index < tree.ends.count { places.append((tree.ends[index].text, pack * ends + index)) }
            }
        }
    }
}
