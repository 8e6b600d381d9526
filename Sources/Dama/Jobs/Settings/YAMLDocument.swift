import DamaSupport

/// Reads YAML 1.2, and therefore JSON, as JSON. The size is bounded, because a few hundred bytes of aliases can stand
/// for gigabytes.
package enum YAMLDocument {
    package static let byteLimit = 1 << 20
    /// Aliases can repeat a value, but not multiply values without bounds.
    package static let aliasLimit = 16
    package static let valueLimit = 100_000
    package static let depthLimit = 32

    /// The single document of a text; `null` if the text has none.
    ///
    /// - Parameter place: The prefix of messages.
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the line, for text that is not YAML or that exceeds the
    ///   bounds.
    package static func json(_ text: String, place: String) throws(DamaError) -> JSON {
        guard text.utf8.count <= byteLimit else {
            throw .invalidArgument("\(place) has \(text.utf8.count) bytes; a configuration has at most \(byteLimit)")
        }
        var result: Result<JSON, DamaError> = .success(.null)
        Array(text.utf8).withUnsafeBufferPointer { bytes in
            do throws(DamaError) {
                var composer = Composer(events: try YAMLEvents(bytes), place: place)
                result = .success(try composer.document())
            } catch {
                result = .failure(error)
            }
        }
        return try result.get()
    }
}

/// Composes values from events.
private struct Composer: ~Copyable {
    /// A value, with the numbers needed to check its use in another place.
    private struct Node {
        var value: JSON
        /// The number of values in it, itself included, and their depth of nesting.
        var count = 1
        var depth = 1

        mutating func add(_ part: Self) {
            count += part.count
            depth = max(depth, part.depth + 1)
        }
    }

    private var events: YAMLEvents
    private let place: String
    private var anchors: [String: Node] = [:]
    private var aliases = 0
    private var values = 0

    init(events: consuming YAMLEvents, place: String) {
        self.events = events
        self.place = place
    }

    mutating func document() throws(DamaError) -> JSON {
        var first = try events.next(place)
        guard case .documentStart = first.event else { return .null }
        first = try events.next(place)
        let node = try node(first, depth: 1)
        let next = try events.next(place)
        guard case .streamEnd = next.event else { throw failure(next, "the text has a second document; expected one") }
        return node.value
    }

    private mutating func node(_ start: YAMLEvents.Located, depth: Int) throws(DamaError) -> Node {
        var node = Node(value: .null)
        switch start.event {
        case .alias(let name):
            aliases += 1
            guard aliases <= YAMLDocument.aliasLimit else {
                throw failure(start, "the text has more than \(YAMLDocument.aliasLimit) aliases (*name)")
            }
            guard let found = anchors[name] else { throw failure(start, "the alias *\(name) has no anchor before it") }
            try count(found, start, depth: depth)
            return found
        case .scalar(let text, let isPlain):
            try count(node, start, depth: depth)
            do throws(DamaError) {
                node.value = try YAMLScalar.value(text, isPlain: isPlain, tag: start.tag)
            } catch {
                throw failure(start, error.message)
            }
        case .sequenceStart:
            try count(node, start, depth: depth)
            try checkTag(start, "seq")
            var elements: [JSON] = []
            while true {
                let event = try events.next(place)
                if case .sequenceEnd = event.event { break }
                let element = try self.node(event, depth: depth + 1)
                elements.append(element.value)
                node.add(element)
            }
            node.value = .array(elements)
        case .mappingStart:
            try count(node, start, depth: depth)
            try checkTag(start, "map")
            var members: [JSONObject.Member] = []
            while true {
                let event = try events.next(place)
                if case .mappingEnd = event.event { break }
                let name = try key(event, depth: depth + 1)
                let value = try self.node(try events.next(place), depth: depth + 1)
                members.append((name, value.value))
                node.add(value)
            }
            node.value = .object(JSONObject(members))
        case .sequenceEnd, .mappingEnd, .documentStart, .streamEnd: throw failure(start, "expected a value")
        }
        if let anchor = start.anchor { anchors[anchor] = node }
        return node
    }

    /// The text of a key, as written.
    private mutating func key(_ event: YAMLEvents.Located, depth: Int) throws(DamaError) -> String {
        if case .scalar(let text, _) = event.event {
            if let anchor = event.anchor { anchors[anchor] = Node(value: .string(text)) }
            return text
        }
        if case .alias = event.event, let text = try node(event, depth: depth).value.string { return text }
        throw failure(event, "a key is not text")
    }

    private mutating func count(_ node: Node, _ start: YAMLEvents.Located, depth: Int) throws(DamaError) {
        values += node.count
        guard values <= YAMLDocument.valueLimit else {
            throw failure(start, "the text has more than \(YAMLDocument.valueLimit) values")
        }
        guard depth + node.depth - 1 <= YAMLDocument.depthLimit else {
            throw failure(start, "the values are nested too deeply")
        }
    }

    private func checkTag(_ start: YAMLEvents.Located, _ name: String) throws(DamaError) {
        guard let tag = start.tag, tag != "!", tag != YAMLScalar.tagPrefix + name else { return }
        throw failure(start, "the tag \(tag) is not supported")
    }

    private func failure(_ event: YAMLEvents.Located, _ message: String) -> DamaError {
        .invalidArgument("\(place), line \(event.line): \(message)")
    }
}
