// Settings of the common types.

extension Setting {
    /// An integer inside `range`.
    package static func int(
        _ name: String, _ path: WritableKeyPath<Root, Int> & Sendable, in range: ClosedRange<Int>,
        effect: SettingEffect = .results
    ) -> Setting {
        Setting(
            name, effect: effect,
            read: { (root, reader, name) throws(DamaError) in
                root[keyPath: path] = try reader.int(name, default: root[keyPath: path], in: range)
            },
            write: { .int(Int64($0[keyPath: path])) },
            check: { (root, name) throws(DamaError) in try check(root[keyPath: path], name, range) })
    }

    /// An integer inside `range`, or `null`.
    package static func optionalInt(
        _ name: String, _ path: WritableKeyPath<Root, Int?> & Sendable, in range: ClosedRange<Int>,
        effect: SettingEffect = .results
    ) -> Setting {
        Setting(
            name, effect: effect,
            read: { (root, reader, name) throws(DamaError) in
                if reader.has(name) { root[keyPath: path] = try reader.int(name, default: 0, in: range) }
            },
            write: { $0[keyPath: path].map { .int(Int64($0)) } ?? .null },
            check: { (root, name) throws(DamaError) in
                if let value = root[keyPath: path] { try check(value, name, range) }
            })
    }

    /// A seed. Written as text, because ``JSON`` integers end at 2^63 − 1.
    package static func seed(_ name: String, _ path: WritableKeyPath<Root, UInt64> & Sendable) -> Setting {
        Setting(
            name,
            read: { (root, reader, name) throws(DamaError) in
                guard reader.has(name) else { return }
                if let text = reader.json[name]?.string, let seed = UInt64(text) {
                    root[keyPath: path] = seed
                } else {
                    root[keyPath: path] = UInt64(try reader.int(name, default: 0, in: 0...(.max)))
                }
            },
            write: { .string(String($0[keyPath: path])) })
    }

    /// A finite number. Narrower ranges are checked where the value is used.
    package static func double(
        _ name: String, _ path: WritableKeyPath<Root, Double> & Sendable, effect: SettingEffect = .results
    ) -> Setting {
        Setting(
            name, effect: effect,
            read: { (root, reader, name) throws(DamaError) in
                root[keyPath: path] = try reader.double(name, default: root[keyPath: path], in: anyDouble)
            },
            write: { number($0[keyPath: path]) })
    }

    /// A finite number, or `null`.
    package static func optionalDouble(
        _ name: String, _ path: WritableKeyPath<Root, Double?> & Sendable, effect: SettingEffect = .results
    ) -> Setting {
        Setting(
            name, effect: effect,
            read: { (root, reader, name) throws(DamaError) in
                if reader.has(name) { root[keyPath: path] = try reader.double(name, default: 0, in: anyDouble) }
            },
            write: { $0[keyPath: path].map(number) ?? .null },
            check: { (root, name) throws(DamaError) in
                guard let value = root[keyPath: path], !value.isFinite else { return }
                throw SettingRange.wrong(name, value, "a finite number")
            })
    }

    package static func bool(
        _ name: String, _ path: WritableKeyPath<Root, Bool> & Sendable, effect: SettingEffect = .results
    ) -> Setting {
        Setting(
            name, effect: effect,
            read: { (root, reader, name) throws(DamaError) in
                root[keyPath: path] = try reader.bool(name, default: root[keyPath: path])
            },
            write: { .bool($0[keyPath: path]) })
    }

    /// A required string.
    ///
    /// - Parameter missing: The error's text if the value is empty.
    package static func text(
        _ name: String, _ path: WritableKeyPath<Root, String> & Sendable, missing: String
    ) -> Setting {
        Setting(
            name, effect: .none, isRequired: true,
            read: { (root, reader, name) throws(DamaError) in root[keyPath: path] = try reader.string(name) },
            write: { .string($0[keyPath: path]) },
            check: { (root, _) throws(DamaError) in
                if root[keyPath: path].isEmpty { throw .invalidArgument(missing) }
            })
    }

    /// A string, or `null`.
    package static func optionalText(
        _ name: String, _ path: WritableKeyPath<Root, String?> & Sendable, effect: SettingEffect = .none
    ) -> Setting {
        Setting(
            name, effect: effect,
            read: { (root, reader, name) throws(DamaError) in
                if reader.has(name) { root[keyPath: path] = try reader.string(name) }
            },
            write: { $0[keyPath: path].map { .string($0) } ?? .null })
    }

    /// A list of strings; a single string is a list of one.
    package static func texts(
        _ name: String, _ path: WritableKeyPath<Root, [String]> & Sendable, effect: SettingEffect = .results
    ) -> Setting {
        Setting(
            name, effect: effect,
            read: { (root, reader, name) throws(DamaError) in
                if let texts = try reader.strings(name) { root[keyPath: path] = texts }
            },
            write: { .array($0[keyPath: path].map { .string($0) }) })
    }

    /// One of `choices`, by its name.
    package static func choice<Value: Equatable & Sendable>(
        _ name: String, key: String? = nil, _ path: WritableKeyPath<Root, Value> & Sendable,
        _ choices: KeyValuePairs<String, Value>, effect: SettingEffect = .results
    ) -> Setting {
        let choices = choices.map { ($0.key, $0.value) }
        return Setting(
            name, key: key, effect: effect,
            read: { (root, reader, name) throws(DamaError) in
                if let value = try reader.choice(name, of: choices) { root[keyPath: path] = value }
            },
            write: { root in (choices.first { $0.1 == root[keyPath: path] }?.0).map { .string($0) } ?? .null })
    }

    /// A case of an enumeration whose raw values are the names.
    package static func choice<Value: RawRepresentable & CaseIterable & Equatable & Sendable>(
        _ name: String, key: String? = nil, _ path: WritableKeyPath<Root, Value> & Sendable,
        effect: SettingEffect = .results
    ) -> Setting where Value.RawValue == String {
        Setting(
            name, key: key, effect: effect,
            read: { (root, reader, name) throws(DamaError) in
                root[keyPath: path] = try reader.choice(name, default: root[keyPath: path])
            },
            write: { .string($0[keyPath: path].rawValue) })
    }

    private static func check(_ value: Int, _ name: String, _ range: ClosedRange<Int>) throws(DamaError) {
        guard !range.contains(value) else { return }
        throw SettingRange.wrong(name, value, SettingRange.expected(range))
    }
}

/// Every finite number.
private let anyDouble = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude

/// JSON has no infinity: an absent bound is `null`.
private func number(_ value: Double) -> JSON { value.isFinite ? .double(value) : .null }
