import CYAML
import DamaSupport

/// The events of a YAML text, as parsed by libyaml.
struct YAMLEvents: ~Copyable {
    enum Event {
        case scalar(text: String, isPlain: Bool)
        case sequenceStart
        case sequenceEnd
        case mappingStart
        case mappingEnd
        /// `*name`
        case alias(String)
        case documentStart
        case streamEnd
    }

    struct Located {
        var event: Event
        /// `&name`
        var anchor: String?
        var tag: String?
        /// From 1.
        var line: Int
    }

    private let parser: UnsafeMutablePointer<yaml_parser_t>

    /// - Parameter text: Must stay valid for the lifetime of this value.
    init(_ text: UnsafeBufferPointer<UInt8>) throws(DamaError) {
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        guard yaml_parser_initialize(parser) != 0 else {
            parser.deallocate()
            throw .outOfMemory("there is not enough memory for a YAML parser")
        }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, text.baseAddress, text.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    /// The next relevant event. Must not be called after ``Event/streamEnd`` or an error.
    ///
    /// - Parameter place: The prefix of messages.
    mutating func next(_ place: String) throws(DamaError) -> Located {
        while true {
            var event = yaml_event_t()
            guard yaml_parser_parse(parser, &event) != 0 else { throw failure(place) }
            defer { yaml_event_delete(&event) }
            if let found = Self.event(event) { return found }
        }
    }

    private static func event(_ it: yaml_event_t) -> Located? {
        var found = Located(event: .streamEnd, anchor: nil, tag: nil, line: Int(clamping: it.start_mark.line) + 1)
        switch it.type {
        case YAML_SCALAR_EVENT:
            let scalar = it.data.scalar
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            found.event = .scalar(
                text: String(decoding: bytes, as: UTF8.self), isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE)
            (found.anchor, found.tag) = (text(scalar.anchor), text(scalar.tag))
        case YAML_SEQUENCE_START_EVENT:
            found.event = .sequenceStart
            (found.anchor, found.tag) = (text(it.data.sequence_start.anchor), text(it.data.sequence_start.tag))
        case YAML_MAPPING_START_EVENT:
            found.event = .mappingStart
            (found.anchor, found.tag) = (text(it.data.mapping_start.anchor), text(it.data.mapping_start.tag))
        case YAML_SEQUENCE_END_EVENT: found.event = .sequenceEnd
        case YAML_MAPPING_END_EVENT: found.event = .mappingEnd
        case YAML_ALIAS_EVENT: found.event = .alias(text(it.data.alias.anchor) ?? "")
        case YAML_DOCUMENT_START_EVENT: found.event = .documentStart
        case YAML_STREAM_END_EVENT: found.event = .streamEnd
        default: return nil
        }
        return found
    }

    private static func text(_ pointer: UnsafePointer<UInt8>?) -> String? { pointer.map { String(cString: $0) } }

    private static func text(_ pointer: UnsafeMutablePointer<UInt8>?) -> String? {
        pointer.map { String(cString: $0) }
    }

    private func failure(_ place: String) -> DamaError {
        let it = parser.pointee
        if it.error == YAML_MEMORY_ERROR {
            return .outOfMemory("\(place): there is not enough memory for its contents")
        }
        var message = it.problem.map { String(cString: $0) } ?? "cannot be read"
        if let context = it.context { message += " \(String(cString: context))" }
        let line = it.error == YAML_READER_ERROR ? "byte \(it.problem_offset)" : "line \(it.problem_mark.line + 1)"
        return .invalidArgument("\(place), \(line): \(message)")
    }
}
