/// A JSON value (RFC 8259) that keeps the order of an object's members.
///
/// Foundation's JSON is not used, because Foundation would add tens of megabytes to libdama.so and because parsing must
/// never trap: depth and size are bounded, and every error is a ``DamaError`` with its byte offset.
package enum JSON: Sendable {
    case null
    case bool(Bool)
    /// A number written without fraction or exponent that fits into 64 bits.
    case int(Int64)
    /// Any other number. Always finite.
    case double(Double)
    /// The text of a number that neither case represents as written: an integer beyond 64 bits, and, with
    /// ``Numbers/asWritten``, any number whose text would not be reproduced.
    case number(String)
    case string(String)
    case array([JSON])
    case object(JSONObject)
}

/// Strings are equal if their bytes are: Swift's `==` treats "é" as one and as two code points as the same.
extension JSON: Equatable {
    package static func == (a: JSON, b: JSON) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.int(let a), .int(let b)): a == b
        case (.double(let a), .double(let b)): a == b
        case (.number(let a), .number(let b)): a.hasSameBytes(as: b)
        case (.string(let a), .string(let b)): a.hasSameBytes(as: b)
        case (.array(let a), .array(let b)): a == b
        case (.object(let a), .object(let b)): a == b
        default: false
        }
    }
}

/// The members of a JSON object, in the order of the text. Keys are compared by their bytes.
package struct JSONObject: Equatable, Sendable, ExpressibleByDictionaryLiteral {
    package typealias Member = (key: String, value: JSON)

    /// All members, repeated keys included.
    package private(set) var members: [Member]
    /// The position of the last member of each key; only for objects large enough to need it.
    private var index: [ExactText: Int]?
    private static let indexThreshold = 12

    package init(_ members: [Member] = []) {
        self.members = members
        if members.count >= Self.indexThreshold {
            var index = [ExactText: Int](minimumCapacity: members.count)
            for (position, member) in members.enumerated() { index[ExactText(member.key)] = position }
            self.index = index
        }
    }

    package init(dictionaryLiteral elements: (String, JSON)...) {
        self.init(elements.map { (key: $0.0, value: $0.1) })
    }

    package var count: Int { members.count }

    /// The value of `key`; the last one if a key is repeated, as in most readers.
    package subscript(key: String) -> JSON? {
        if let index { return index[ExactText(key)].map { members[$0].value } }
        return members.last { $0.key.hasSameBytes(as: key) }?.value
    }

    /// The first duplicate key, if any.
    package var repeatedKey: String? {
        var seen = Set<ExactText>(minimumCapacity: members.count)
        return members.first { !seen.insert(ExactText($0.key)).inserted }?.key
    }

    package static func == (a: JSONObject, b: JSONObject) -> Bool {
        a.members.count == b.members.count
            && zip(a.members, b.members).allSatisfy { $0.key.hasSameBytes(as: $1.key) && $0.value == $1.value }
    }
}

// MARK: - Reading values

extension JSON {
    /// The member `key` of an object; `nil` if this is not an object, the key is missing or the value is `null`.
    package subscript(key: String) -> JSON? {
        guard case .object(let object) = self, let value = object[key], value != .null else { return nil }
        return value
    }

    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    package var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
    package var object: JSONObject? { if case .object(let value) = self { value } else { nil } }

    /// The number as a `Double`, regardless of its written form.
    package var double: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        case .number(let text): Double(text).flatMap { $0.isFinite ? $0 : nil }
        default: nil
        }
    }

    /// The number as an `Int`; `nil` if it has a fraction or does not fit.
    package var int: Int? {
        switch self {
        case .int(let value): Int(exactly: value)
        case .double(let value): Int(exactly: value)
        case .number(let text):
            // An integer that does not fit gives `nil`, though the nearest double may fit.
            Int(text)
                ?? (text.utf8.contains { $0 == 0x2E || $0 | 0x20 == 0x65 } ? double.flatMap { Int(exactly: $0) } : nil)
        default: nil
        }
    }

    /// The kind of this value, for messages: "a string", "an object", …
    package var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .int, .double, .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int64) { self = .int(value) }
    package init(floatLiteral value: Double) { self = .double(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(arrayLiteral elements: JSON...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSON)...) {
        self = .object(JSONObject(elements.map { (key: $0.0, value: $0.1) }))
    }
}
