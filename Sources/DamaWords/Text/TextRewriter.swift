/// A text under a series of substitutions, each like `re.sub` in Python: from left to right, without overlaps, on the
/// result of the one before.
struct TextRewriter {
    private(set) var text: Scalars

    init(_ text: Scalars) { self.text = text }

    /// Replaces the matches of a pattern.
    ///
    /// - Parameter match: Called at each position of the text. Where it matches, it appends a replacement to `output`
    ///   and returns the number of scalars to replace, at least 1; elsewhere it returns 0.
    @inline(__always)
    mutating func replace(_ match: (_ text: Scalars, _ position: Int, _ output: inout Scalars) -> Int) {
        var output: Scalars = []
        var isChanged = false
        var position = 0
        while position < text.count {
            let length = match(text, position, &output)
            if length > 0 {
                // Most patterns match nowhere: copying begins with the first match.
                if !isChanged { output = text[..<position] + output }
                isChanged = true
                position += length
            } else {
                if isChanged { output.append(text[position]) }
                position += 1
            }
        }
        if isChanged { text = output }
    }

    /// Puts a blank before and after each scalar that `isMatch`.
    @inline(__always)
    mutating func surround(where isMatch: (Unicode.Scalar) -> Bool) {
        guard text.contains(where: isMatch) else { return }
        replace { text, position, output in
            guard isMatch(text[position]) else { return 0 }
            output += [" ", text[position], " "]
            return 1
        }
    }

    /// Puts a blank before and after each run of `scalar` of at least `count`.
    mutating func surroundRuns(of scalar: Unicode.Scalar, atLeast count: Int) {
        guard text.contains(scalar) else { return }
        replace { text, position, output in
            guard text[position] == scalar else { return 0 }
            var end = position + 1
            while end < text.count, text[end] == scalar { end += 1 }
            // A shorter run has no match inside it either.
            let run = text[position..<end]
            output += run.count < count ? Scalars(run) : [" "] + run + [" "]
            return run.count
        }
    }

    /// Replaces a fixed text.
    mutating func replace(_ old: Scalars, with new: Scalars) {
        guard let first = old.first, text.contains(first) else { return }
        replace { text, position, output in
            guard text[position] == first, text[position...].starts(with: old) else { return 0 }
            output += new
            return old.count
        }
    }

    /// Puts blanks around the two halves of a contraction such as "gonna": `\b(gon)(na)\b` without regard to case.
    ///
    /// - Parameters:
    ///   - afterBlank: A blank, which is replaced too, must stand before the first half, in place of a word's start.
    ///   - beforeSpace: White space must follow, in place of a word's end.
    mutating func separate(
        _ first: Scalars, _ second: Scalars, afterBlank: Bool = false, beforeSpace: Bool = false
    ) {
        let whole = (afterBlank ? [" "] : []) + first + second
        // NLTK 3.10 matches these with `re` still.
        let rules = WordRules.nltk3_9
        replace { text, position, output in
            guard rules.caseFolded(text[position]) == whole[0], text.count - position >= whole.count else { return 0 }
            let end = position + whole.count
            for offset in whole.indices where rules.caseFolded(text[position + offset]) != whole[offset] { return 0 }
            if !afterBlank, position > 0, rules.isWord(text[position - 1]) { return 0 }
            if beforeSpace {
                guard end < text.count, rules.isSpace(text[end]) else { return 0 }
            } else if end < text.count, rules.isWord(text[end]) {
                return 0
            }
            let middle = end - second.count
            output.append(" ")
            output += text[(middle - first.count)..<middle]
            output.append(" ")
            output += text[middle..<end]
            output.append(" ")
            return whole.count
        }
    }
}
