import DamaSupport

/// A text as Python's `str` has it: Unicode scalars, which are counted, indexed and compared one by one.
///
/// Swift's `String` compares by canonical equivalence, to which texts are equal that a tokenizer tells apart.
package struct Text: Hashable, Sendable {
    package var scalars: [Unicode.Scalar]

    package init(_ scalars: some Sequence<Unicode.Scalar>) { self.scalars = Array(scalars) }
    package init(_ string: String) { scalars = Array(scalarsOf: string) }

    package var string: String { String(scalars: scalars) }

    var count: Int { scalars.count }
    package var isEmpty: Bool { scalars.isEmpty }

    static func + (left: Text, right: Text) -> Text { Text(left.scalars + right.scalars) }

    static func < (left: Text, right: Text) -> Bool {
        left.scalars.lexicographicallyPrecedes(right.scalars) { $0.value < $1.value }
    }
}

extension Text: ExpressibleByStringLiteral {
    package init(stringLiteral value: String) { self.init(value) }
}

extension Unicode.Scalar {
    /// Python's `str.isprintable()` for one character.
    var isPythonPrintable: Bool {
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        case .spaceSeparator: value == 0x20
        default: true
        }
    }
}

// MARK: - Searching and cutting

extension Text {
    /// The first place of `other` from `start` on; `nil` if there is none. An empty text is found at once.
    package func firstIndex(of other: Text, from start: Int = 0) -> Int? {
        guard start <= count, other.count <= count - start else { return nil }
        guard let first = other.scalars.first else { return start }
        for index in start...(count - other.count) where scalars[index] == first {
            if scalars[index..<index + other.count].elementsEqual(other.scalars) { return index }
        }
        return nil
    }

    package func lastIndex(of other: Text) -> Int? {
        guard other.count <= count else { return nil }
        return (0...(count - other.count)).last {
            scalars[$0..<$0 + other.count].elementsEqual(other.scalars)
        }
    }

    func contains(_ other: Text) -> Bool { firstIndex(of: other) != nil }

    func hasPrefix(_ other: Text) -> Bool { scalars.starts(with: other.scalars) }
    func hasSuffix(_ other: Text) -> Bool { scalars.suffix(other.count).elementsEqual(other.scalars) }

    /// How often `other` occurs without overlaps.
    package func count(of other: Text) -> Int {
        guard !other.isEmpty else { return count + 1 }
        var (found, place) = (0, 0)
        while let next = firstIndex(of: other, from: place) {
            found += 1
            place = next + other.count
        }
        return found
    }

    /// Without leading and trailing characters of `set`, white space by default.
    package func trimmed(_ set: Text? = nil, left: Bool = true, right: Bool = true) -> Text {
        func isCut(_ scalar: Unicode.Scalar) -> Bool { set.map { $0.scalars.contains(scalar) } ?? scalar.isPythonSpace }
        var part = scalars[...]
        if left { part = part.drop(while: isCut) }
        if right { while let last = part.last, isCut(last) { part.removeLast() } }
        return Text(part)
    }

    func replacing(_ old: Text, with new: Text, limit: Int? = nil) -> Text {
        var result: [Unicode.Scalar] = []
        var (place, done) = (0, 0)
        if old.isEmpty {
            // Python puts `new` before each character and at the end.
            for scalar in scalars {
                if limit.map({ done < $0 }) ?? true {
                    result += new.scalars
                    done += 1
                }
                result.append(scalar)
            }
            if limit.map({ done < $0 }) ?? true { result += new.scalars }
            return Text(result)
        }
        while limit.map({ done < $0 }) ?? true, let next = firstIndex(of: old, from: place) {
            result += scalars[place..<next]
            result += new.scalars
            place = next + old.count
            done += 1
        }
        result += scalars[place...]
        return Text(result)
    }

    /// `str.split(separator, limit)`; without a separator, by runs of white space.
    package func split(_ separator: Text?, limit: Int?) -> [Text] {
        guard let separator else { return splitWhiteSpace(limit: limit) }
        var parts: [Text] = []
        var place = 0
        while limit.map({ parts.count < $0 }) ?? true, let next = firstIndex(of: separator, from: place) {
            parts.append(Text(scalars[place..<next]))
            place = next + separator.count
        }
        return parts + [Text(scalars[place...])]
    }

    private func splitWhiteSpace(limit: Int?) -> [Text] {
        var parts: [Text] = []
        var rest = scalars[...].drop { $0.isPythonSpace }
        while !rest.isEmpty {
            if let limit, parts.count >= limit {
                parts.append(Text(rest))
                break
            }
            let word = rest.prefix { !$0.isPythonSpace }
            parts.append(Text(word))
            rest = rest.dropFirst(word.count).drop { $0.isPythonSpace }
        }
        return parts
    }

    /// `str.rsplit(separator, limit)`
    func splitFromRight(_ separator: Text?, limit: Int?) -> [Text] {
        guard let limit else { return split(separator, limit: nil) }
        func reversed(_ text: Text) -> Text { Text(text.scalars.reversed()) }
        return reversed(self).split(separator.map(reversed), limit: limit).reversed().map(reversed)
    }

    /// `str.splitlines()`
    func lines(keepingEnds: Bool = false) -> [Text] {
        let ends: Set<UInt32> = [0x0A, 0x0B, 0x0C, 0x0D, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029]
        var parts: [Text] = []
        var (start, place) = (0, 0)
        while place < count {
            guard ends.contains(scalars[place].value) else {
                place += 1
                continue
            }
            let length = scalars[place] == "\r" && place + 1 < count && scalars[place + 1] == "\n" ? 2 : 1
            parts.append(Text(scalars[start..<(keepingEnds ? place + length : place)]))
            place += length
            start = place
        }
        if start < count { parts.append(Text(scalars[start...])) }
        return parts
    }
}

// MARK: - Letter case

extension Text {
    var uppercased: Text { Text(scalars.flatMap { $0.properties.uppercaseMapping.unicodeScalars }) }

    var lowercased: Text { Text(scalars.indices.flatMap(lowercase)) }

    /// A capital sigma at the end of a word becomes the final one.
    private func lowercase(_ place: Int) -> String.UnicodeScalarView {
        let scalar = scalars[place]
        return scalar == "\u{3A3}" && isFinal(place)
            ? "\u{3C2}".unicodeScalars : scalar.properties.lowercaseMapping.unicodeScalars
    }

    /// Unicode's condition Final_Sigma: a cased character before it and none behind it, case-ignorable ones aside.
    private func isFinal(_ place: Int) -> Bool {
        func next(_ part: some Sequence<Unicode.Scalar>) -> Bool {
            part.first { !$0.properties.isCaseIgnorable }?.properties.isCased ?? false
        }
        return next(scalars[..<place].reversed()) && !next(scalars[(place + 1)...])
    }

    /// First character in title case, the rest in lower case.
    var capitalized: Text {
        guard let first = scalars.first else { return self }
        return Text(first.properties.titlecaseMapping) + Text(scalars.indices.dropFirst().flatMap(lowercase))
    }

    /// `str.title()`: each run of cased characters begins with title case.
    var titlecased: Text {
        var result: [Unicode.Scalar] = []
        var isInside = false
        for place in scalars.indices {
            result += isInside ? lowercase(place) : scalars[place].properties.titlecaseMapping.unicodeScalars
            isInside = scalars[place].properties.isCased
        }
        return Text(result)
    }
}
