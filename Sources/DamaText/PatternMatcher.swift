/// Runs a pattern over one text.
struct PatternMatcher {
    private let pattern: Pattern
    private let text: UnsafeBufferPointer<Unicode.Scalar>
    private var stack: [Branch] = []

    /// Another way to go on: at `instruction` from `position`, then from the positions below it down to `floor`.
    private struct Branch {
        var instruction: Int
        var position: Int
        var floor: Int
    }

    private enum Outcome { case none, end(Int), overBudget }

    init(pattern: Pattern, text: UnsafeBufferPointer<Unicode.Scalar>) {
        self.pattern = pattern
        self.text = text
    }

    /// The end of the match that begins at `start`.
    mutating func match(at start: Int) -> Int? {
        // Plain backtracking is fastest and nearly always enough; a pattern that explodes is run again with a memory.
        var effort = Effort.budget(4096 + 8 * (text.count - start))
        switch run(from: 0, at: start, &effort) {
        case .end(let end): return end
        case .none: return nil
        case .overBudget: break
        }
        effort = .memory(VisitedStates(instructions: pattern.instructions.count, start: start, end: text.count))
        if case .end(let end) = run(from: 0, at: start, &effort) { return end }
        return nil
    }

    private mutating func run(from entry: Int, at start: Int, _ effort: inout Effort) -> Outcome {
        let base = stack.count
        defer { stack.removeSubrange(base...) }
        var instruction = entry
        var position = start
        while true {
            switch effort.spend(instruction, position) {
            case .go:
                if let outcome = step(&instruction, &position, &effort) {
                    switch outcome {
                    case .none: break
                    case .end, .overBudget: return outcome
                    }
                } else {
                    continue
                }
            case .triedBefore: break
            case .exhausted: return .overBudget
            }
            guard stack.count > base else { return .none }
            let top = stack.count - 1
            instruction = stack[top].instruction
            position = stack[top].position
            if position > stack[top].floor { stack[top].position -= 1 } else { stack.removeLast() }
        }
    }

    /// Executes one instruction. `nil` to go on, `.none` where this way fails.
    @inline(__always)
    private mutating func step(_ instruction: inout Int, _ position: inout Int, _ effort: inout Effort) -> Outcome? {
        switch pattern.instructions[instruction] {
        case .match:
            return .end(position)
        case .jump(let target):
            instruction = target
        case .split(let first, let second):
            stack.append(Branch(instruction: second, position: position, floor: position))
            instruction = first
        case .scalar(let set):
            guard position < text.count, pattern.sets[set].contains(text[position]) else { return Outcome.none }
            position += 1
            instruction += 1
        case .run(let set, let minimum, let maximum, let isPossessive):
            let limit = maximum < text.count - position ? position + maximum : text.count
            var end = position
            while end < limit, pattern.sets[set].contains(text[end]) { end += 1 }
            effort.spend(scanning: end - position)
            guard end - position >= minimum else { return Outcome.none }
            let floor = position + minimum
            instruction += 1
            if !isPossessive, end > floor {
                stack.append(Branch(instruction: instruction, position: end - 1, floor: floor))
            }
            position = end
        case .look(let isNegative, let reach, let next):
            let outcome: Outcome
            if case .memory = effort {
                let end = min(text.count, position + reach)
                var own = Effort.memory(
                    VisitedStates(instructions: pattern.instructions.count, start: position, end: end))
                outcome = run(from: instruction + 1, at: position, &own)
            } else {
                outcome = run(from: instruction + 1, at: position, &effort)
            }
            switch outcome {
            case .overBudget: return outcome
            case .end: if isNegative { return Outcome.none }
            case .none: if !isNegative { return Outcome.none }
            }
            instruction = next
        }
        return nil
    }
}

/// What keeps one match from taking for ever.
private enum Effort {
    /// Steps left.
    case budget(Int)
    /// The (instruction, position) pairs that were tried.
    case memory(VisitedStates)

    enum Verdict { case go, triedBefore, exhausted }

    @inline(__always)
    mutating func spend(_ instruction: Int, _ position: Int) -> Verdict {
        switch self {
        case .budget(let steps):
            guard steps > 0 else { return .exhausted }
            self = .budget(steps - 1)
            return .go
        case .memory(var visited):
            self = .budget(0)
            let isNew = visited.insert(instruction, position)
            self = .memory(visited)
            return isNew ? .go : .triedBefore
        }
    }

    /// Counts a scan over `count` scalars, which costs far less than as many steps.
    @inline(__always)
    mutating func spend(scanning count: Int) {
        if case .budget(let steps) = self { self = .budget(steps - count / 8) }
    }
}

/// The (instruction, position) pairs that one match has tried: with no captures, trying again ends the same way.
private struct VisitedStates {
    private var words: [UInt64]
    private let instructions: Int
    private let start: Int

    init(instructions: Int, start: Int, end: Int) {
        self.instructions = instructions
        self.start = start
        words = [UInt64](repeating: 0, count: (instructions * (end - start + 1) + 63) / 64)
    }

    /// False where the pair was there already.
    mutating func insert(_ instruction: Int, _ position: Int) -> Bool {
        let bit = (position - start) * instructions + instruction
        let mask = UInt64(1) << UInt64(bit & 63)
        if words[bit >> 6] & mask != 0 { return false }
        words[bit >> 6] |= mask
        return true
    }
}
