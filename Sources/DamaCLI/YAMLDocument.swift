import Dama
import Yams

/// YAML (so JSON too) as JSON, within bounds: a few hundred bytes of aliases can stand for gigabytes.
enum YAMLDocument {
    static let byteLimit = 1 << 20
    /// Aliases may stand for one value in several places, not be piled up.
    static let aliasLimit = 16
    static let valueLimit = 100_000
    static let depthLimit = 32

    /// - Parameter place: what messages begin with.
    /// - Throws: ``DamaError/Code/invalidArgument`` for what is no YAML, or beyond the bounds.
    static func json(_ text: String, place: String) throws(DamaError) -> JSON {
        guard text.utf8.count <= byteLimit else {
            throw .invalidArgument("\(place) has \(text.utf8.count) bytes; a configuration has at most \(byteLimit)")
        }
        // Before it is read: reading compares the keys of mappings, and a key may be an alias too.
        let aliases = aliasCount(Array(text.utf8))
        guard aliases <= aliasLimit else {
            throw .invalidArgument("\(place) has \(aliases) aliases (*name); at most \(aliasLimit) are read")
        }
        do {
            guard let node = try Yams.compose(yaml: text) else { return .null }
            var left = valueLimit
            return try convert(node, place: place, depth: 0, left: &left)
        } catch let error as DamaError {
            throw error
        } catch {
            let line = "\(error)".split(separator: "\n").joined(separator: " ")
            throw .invalidArgument("\(place): \(line)")
        }
    }

    /// No fewer than there are: `*name` for which `&name` stands anywhere, in a text or a comment for instance.
    private static func aliasCount(_ bytes: [UInt8]) -> Int {
        func name(after position: Int) -> ArraySlice<UInt8> {
            bytes[(position + 1)...].prefix {
                (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
                    || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
            }
        }
        var anchors: Set<ArraySlice<UInt8>> = []
        for position in bytes.indices where bytes[position] == UInt8(ascii: "&") {
            let name = name(after: position)
            if !name.isEmpty { anchors.insert(name) }
        }
        guard !anchors.isEmpty else { return 0 }
        return bytes.indices.count { bytes[$0] == UInt8(ascii: "*") && anchors.contains(name(after: $0)) }
    }

    private static func convert(
        _ node: Node, place: String, depth: Int, left: inout Int
    ) throws(DamaError) -> JSON {
        guard depth < depthLimit else { throw .invalidArgument("\(place) is nested too deeply") }
        left -= 1
        guard left >= 0 else { throw .invalidArgument("\(place) holds more than \(valueLimit) values") }
        switch node {
        case .scalar(let scalar): return value(scalar)
        case .mapping(let mapping):
            var members: [JSONObject.Member] = []
            for (key, value) in mapping {
                guard let name = key.string else { throw .invalidArgument("\(place): a key is no text") }
                members.append((name, try convert(value, place: place, depth: depth + 1, left: &left)))
            }
            return .object(JSONObject(members))
        case .sequence(let sequence):
            var elements: [JSON] = []
            for element in sequence {
                elements.append(try convert(element, place: place, depth: depth + 1, left: &left))
            }
            return .array(elements)
        case .alias: throw .invalidArgument("\(place): an alias names nothing")
        }
    }

    /// YAML 1.2's core schema; a scalar in quotes is a text, whatever it looks like. Yams itself follows YAML 1.1, to
    /// which 5e-7 is a text and `no` is false.
    private static func value(_ scalar: Node.Scalar) -> JSON {
        guard scalar.style == .plain || scalar.style == .any else { return .string(scalar.string) }
        let text = scalar.string
        switch text {
        case "", "~", "null": return .null
        case "true": return .bool(true)
        case "false": return .bool(false)
        default: break
        }
        if let int = Int64(text) { return .int(int) }
        // Double() also reads nan, inf and hexadecimal.
        let isNumeral = text.utf8.allSatisfy { (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }
        if isNumeral, let double = Double(text), double.isFinite { return .double(double) }
        return .string(text)
    }
}
