import DamaSupport

/// Compiles the syntax tree of a ``Pattern`` to instructions.
struct PatternCompiler {
    private(set) var instructions: [Pattern.Instruction] = []
    private(set) var sets: [ScalarSet] = []

    private var parser: PatternParser

    private static let maximumInstructions = 512

    init(_ source: String) {
        parser = PatternParser(source)
    }

    mutating func compile() throws(DamaError) {
        try emit(try parser.parse())
        try append(.match)
    }

    private mutating func append(_ instruction: Pattern.Instruction) throws(DamaError) {
        guard instructions.count < Self.maximumInstructions else {
            throw parser.reader.unsupported(
                "a pattern of more than \(Self.maximumInstructions) instructions, intervals expanded,")
        }
        instructions.append(instruction)
    }

    private mutating func index(of set: ScalarSet) -> Int {
        if let known = sets.firstIndex(of: set) { return known }
        sets.append(set)
        return sets.count - 1
    }

    private mutating func emit(_ node: PatternNode) throws(DamaError) {
        switch node {
        case .empty: break
        case .set(let set): try append(.scalar(index(of: set)))
        case .sequence(let nodes): for node in nodes { try emit(node) }
        case .alternation(let nodes):
            var ends: [Int] = []
            for (number, node) in nodes.enumerated() {
                let isLast = number == nodes.count - 1
                let split = instructions.count
                if !isLast { try append(.split(split + 1, 0)) }
                try emit(node)
                if !isLast {
                    ends.append(instructions.count)
                    try append(.jump(0))
                    instructions[split] = .split(split + 1, instructions.count)
                }
            }
            for end in ends { instructions[end] = .jump(instructions.count) }
        case .look(let isNegative, let body):
            let start = instructions.count
            try append(.look(isNegative: isNegative, reach: 0, next: 0))
            try emit(body)
            try append(.match)
            instructions[start] = .look(isNegative: isNegative, reach: body.reach ?? 0, next: instructions.count)
        case .repetition(let body, let minimum, let maximum, let kind):
            if case .set(let set) = body, kind != .lazy {
                try append(
                    .run(
                        set: index(of: set), minimum: minimum, maximum: maximum, isPossessive: kind == .possessive))
                return
            }
            for _ in 0..<minimum {
                let start = instructions.count
                try emit(body)
                if instructions.count == start { break }
            }
            if maximum == .max {
                let start = instructions.count
                try append(.split(0, 0))
                try emit(body)
                try append(.jump(start))
                instructions[start] = split(start + 1, instructions.count, kind)
            } else {
                var starts: [Int] = []
                for _ in minimum..<maximum {
                    starts.append(instructions.count)
                    try append(.split(0, 0))
                    try emit(body)
                }
                for start in starts { instructions[start] = split(start + 1, instructions.count, kind) }
            }
        }
    }

    private func split(_ body: Int, _ exit: Int, _ kind: PatternNode.Greed) -> Pattern.Instruction {
        kind == .lazy ? .split(exit, body) : .split(body, exit)
    }
}
