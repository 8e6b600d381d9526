import Dama
import Yams

/// A YAML file (JSON is YAML too) as JSON, with fields replaced by `key=value` from the command line.
enum ConfigurationFile {
    static func read(_ path: String, overrides: [String]) throws(DamaError) -> JSON {
        let bytes = try Files.read(path, limit: 16 << 20)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .invalidArgument("\(path) is not valid UTF-8")
        }
        var json = try parse(text, place: path)
        // A file of comments alone sets nothing.
        if json == .null { json = [:] }
        for text in overrides {
            guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
                throw .invalidArgument("--set \(text): expected key=value, as in method.beta=0.2")
            }
            let value = try parse(String(text[text.index(after: equals)...]), place: "--set \(text)")
            json = try set(json, text[..<equals].split(separator: ".")[...], value, place: "--set \(text)")
        }
        return json
    }

    private static func parse(_ text: String, place: String) throws(DamaError) -> JSON {
        do {
            guard let node = try Yams.compose(yaml: text) else { return .null }
            return try convert(node, place: place, depth: 0)
        } catch let error as DamaError {
            throw error
        } catch {
            let line = "\(error)".split(separator: "\n").joined(separator: " ")
            throw .invalidArgument("\(place): \(line)")
        }
    }

    private static func convert(_ node: Node, place: String, depth: Int) throws(DamaError) -> JSON {
        guard depth < 32 else { throw .invalidArgument("\(place) is nested too deeply") }
        switch node {
        case .scalar(let scalar): return value(scalar)
        case .mapping(let mapping):
            var members: [JSONObject.Member] = []
            for (key, value) in mapping {
                guard let name = key.string else { throw .invalidArgument("\(place): a key is no text") }
                members.append((name, try convert(value, place: place, depth: depth + 1)))
            }
            return .object(JSONObject(members))
        case .sequence(let sequence):
            var elements: [JSON] = []
            for element in sequence { elements.append(try convert(element, place: place, depth: depth + 1)) }
            return .array(elements)
        case .alias: throw .invalidArgument("\(place): aliases are not read")
        }
    }

    /// YAML 1.2's core schema; a scalar in quotes is a text, whatever it looks like. Yams itself follows YAML 1.1, to which
    /// 5e-7 is a text and `no` is false.
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

    private static func set(
        _ json: JSON, _ path: ArraySlice<Substring>, _ value: JSON, place: String
    ) throws(DamaError) -> JSON {
        guard let first = path.first else { return value }
        let key = String(first)
        guard json == .null || json.object != nil else {
            throw .invalidArgument("\(place): what stands before \"\(key)\" is \(json.kind), not a section")
        }
        var members = json.object?.members ?? []
        let found = members.firstIndex { $0.key == key }
        let new = try set(found.map { members[$0].value } ?? .null, path.dropFirst(), value, place: place)
        if let found { members[found].value = new } else { members.append((key, new)) }
        return .object(JSONObject(members))
    }
}
