/// Runs a pattern over one text.
struct PatternMatcher {
    private let pattern: Pattern
    private let text: UnsafeBufferPointer<Unicode.Scalar>
    private var stack: [Branch] = []
    private var effort: Effort
    private let plainSteps: Int
    /// Steps left for matching with memory.
    private var left: Int
    private let limit: Int

    /// An alternative: continue at `instruction` from `position`, then from the positions below it down to `floor`.
    private struct Branch {
        var instruction: Int
        var position: Int
        var floor: Int
    }

    private enum Outcome {
        case none
        case end(Int)
        case overBudget
    }

    /// - Parameter limit: The largest number of steps for all matches together.
    init(pattern: Pattern, text: UnsafeBufferPointer<Unicode.Scalar>, limit: Int) {
        self.pattern = pattern
        self.text = text
        self.limit = limit
        // Plain backtracking is fastest and nearly always enough: a tokenizer's pattern takes about 20 steps per
        // character.
        plainSteps = min(65_536 + 64 * text.count, limit)
        effort = .budget(plainSteps)
        left = limit - plainSteps
    }

    /// True if the limit was reached: some matches may be missing.
    private(set) var isExhausted = false

    /// The number of steps taken.
    var steps: Int {
        guard case .budget(let rest) = effort else { return limit - left }
        return plainSteps - max(0, rest)
    }

    /// The end of the match that begins at `start`. Must be called with ascending positions.
    mutating func match(at start: Int) -> Int? {
        // Taken out of `self`, because `run` changes both.
        var effort = effort
        self.effort = .budget(0)
        defer { self.effort = effort }
        var outcome = run(from: 0, at: start, &effort)
        if case .overBudget = outcome {
            // The unused steps of plain matching are lost; the used ones count.
            effort = .memory(memory(from: start, to: text.count))
            outcome = run(from: 0, at: start, &effort)
            if case .overBudget = outcome { isExhausted = true }
        }
        guard case .end(let end) = outcome else { return nil }
        effort.forget(upTo: end)
        return end
    }

    private mutating func memory(from start: Int, to end: Int) -> VisitedStates {
        let states = VisitedStates(instructions: pattern.instructions.count, start: start, end: end)
        left -= states.cost
        return states
    }

    private mutating func run(from entry: Int, at start: Int, _ effort: inout Effort) -> Outcome {
        let base = stack.count
        defer { stack.removeSubrange(base...) }
        var instruction = entry
        var position = start
        while true {
            switch effort.spend(instruction, position, left: &left) {
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

    /// Executes one instruction. Returns `nil` to continue, `.none` if this branch fails.
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
            // A scan is much cheaper than as many steps.
            if case .memory = effort { left -= (end - position) / 8 } else { effort.spend(scanning: end - position) }
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
                var own = Effort.memory(memory(from: position, to: end))
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

/// The bound on the time of matching.
private enum Effort {
    /// Steps left.
    case budget(Int)
    /// The (instruction, position) pairs tried so far.
    case memory(VisitedStates)

    enum Verdict { case go, triedBefore, exhausted }

    @inline(__always)
    mutating func spend(_ instruction: Int, _ position: Int, left: inout Int) -> Verdict {
        switch self {
        case .budget(let steps):
            guard steps > 0 else { return .exhausted }
            self = .budget(steps - 1)
            return .go
        case .memory(var visited):
            guard left > 0 else { return .exhausted }
            left -= 1
            self = .budget(0)
            let isNew = visited.insert(instruction, position)
            self = .memory(visited)
            return isNew ? .go : .triedBefore
        }
    }

    /// After a match, the states along it have not failed. Those after its end have, in whichever way they were
    /// reached.
    mutating func forget(upTo end: Int) {
        guard case .memory(var visited) = self else { return }
        self = .budget(0)
        visited.forget(upTo: end)
        self = .memory(visited)
    }

    /// Counts a scan over `count` scalars.
    @inline(__always)
    mutating func spend(scanning count: Int) {
        if case .budget(let steps) = self { self = .budget(steps - count / 8) }
    }
}

/// The (instruction, position) pairs tried so far. Without captures, a second try has the same result.
private struct VisitedStates {
    private var words: [UInt64]
    private let instructions: Int
    private let start: Int

    init(instructions: Int, start: Int, end: Int) {
        // Rounded up so that the bits of a position fill whole words.
        self.instructions = (instructions + 63) / 64 * 64
        self.start = start
        words = [UInt64](repeating: 0, count: self.instructions / 64 * (end - start + 1))
        forgotten = start
    }

    /// The cost of its allocation in steps.
    var cost: Int { words.count / 16 }

    /// There are no pairs below this position.
    private var forgotten: Int

    mutating func forget(upTo end: Int) {
        guard forgotten <= end else { return }
        let words = instructions / 64
        for word in (forgotten - start) * words..<(end - start + 1) * words { self.words[word] = 0 }
        forgotten = end
    }

    /// False if the pair is a duplicate.
    mutating func insert(_ instruction: Int, _ position: Int) -> Bool {
        let bit = (position - start) * instructions + instruction
        let mask = UInt64(1) << UInt64(bit & 63)
        if words[bit >> 6] & mask != 0 { return false }
        words[bit >> 6] |= mask
        return true
    }
}
