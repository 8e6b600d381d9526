import DamaSupport

/// YAML 1.2 (so JSON too) as JSON, within bounds: a few hundred bytes of aliases can stand for gigabytes.
public enum YAMLDocument {
    public static let byteLimit = 1 << 20
    /// Aliases may stand for one value in several places, not be piled up.
    public static let aliasLimit = 16
    public static let valueLimit = 100_000
    public static let depthLimit = 32

    /// The one document of a text; `null` where there is none.
    ///
    /// - Parameter place: what messages begin with.
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the line, for a text that is no YAML or beyond the bounds.
    public static func json(_ text: String, place: String) throws(DamaError) -> JSON {
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

/// Puts values together from events.
private struct Composer: ~Copyable {
    /// A value, with what it takes to stand in another place too.
    private struct Node {
        var value: JSON
        /// Values in it, itself included, and how deep they are nested.
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
        guard case .streamEnd = next.event else { throw failure(next, "there is a second document; one is expected") }
        return node.value
    }

    private mutating func node(_ start: YAMLEvents.Located, depth: Int) throws(DamaError) -> Node {
        var node = Node(value: .null)
        switch start.event {
        case .alias(let name):
            aliases += 1
            guard aliases <= YAMLDocument.aliasLimit else {
                throw failure(start, "there are more than \(YAMLDocument.aliasLimit) aliases (*name)")
            }
            guard let found = anchors[name] else { throw failure(start, "*\(name) names nothing before it") }
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

    /// The text of a key, as it is written.
    private mutating func key(_ event: YAMLEvents.Located, depth: Int) throws(DamaError) -> String {
        if case .scalar(let text, _) = event.event {
            if let anchor = event.anchor { anchors[anchor] = Node(value: .string(text)) }
            return text
        }
        if case .alias = event.event, let text = try node(event, depth: depth).value.string { return text }
        throw failure(event, "a key is no text")
    }

    private mutating func count(_ node: Node, _ start: YAMLEvents.Located, depth: Int) throws(DamaError) {
        values += node.count
        guard values <= YAMLDocument.valueLimit else {
            throw failure(start, "it holds more than \(YAMLDocument.valueLimit) values")
        }
        guard depth + node.depth - 1 <= YAMLDocument.depthLimit else { throw failure(start, "it is nested too deeply") }
    }

    private func checkTag(_ start: YAMLEvents.Located, _ name: String) throws(DamaError) {
        guard let tag = start.tag, tag != "!", tag != YAMLScalar.tagPrefix + name else { return }
        throw failure(start, "the tag \(tag) is not known here")
    }

    private func failure(_ event: YAMLEvents.Located, _ message: String) -> DamaError {
        .invalidArgument("\(place), line \(event.line): \(message)")
    }
}
