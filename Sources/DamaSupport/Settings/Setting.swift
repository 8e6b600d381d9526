/// One setting of a `Root`: its name for users, how it is read, written and checked, and what depends on it.
///
/// A table of settings (``SettingsTable``) is the only list of what can be set. Configuration files, the C ABI,
/// journals, summaries and messages use it, so that a property can be renamed without a change to any file of a user.
package struct Setting<Root>: Sendable {
    /// The value's name in configuration files, in the C ABI and in Python.
    package let name: String
    /// Its name in journals and summaries, if that is older than ``name``.
    package let key: String
    /// What changes with the value.
    package let effect: SettingEffect
    /// The fields of a section; empty for a single value.
    package let fields: [String]
    /// Whether nothing works without a value.
    package let isRequired: Bool
    /// Sets the value if the reader has a field of that name.
    let read: @Sendable (inout Root, SettingsReader, String) throws(DamaError) -> Void
    /// The value with its key, or those values of a section that have this effect.
    let write: @Sendable (Root, SettingEffect, String) -> [JSONObject.Member]
    /// Throws if a value is outside its range.
    let check: @Sendable (Root, String) throws(DamaError) -> Void

    /// A setting with its own way to be read.
    ///
    /// - Parameters:
    ///   - write: `nil` for a setting that only changes others, such as the name of a preset.
    ///   - check: Throws for a value outside its range.
    package init(
        _ name: String, key: String? = nil, effect: SettingEffect = .results, fields: [String] = [],
        isRequired: Bool = false,
        read: @escaping @Sendable (inout Root, SettingsReader, String) throws(DamaError) -> Void,
        write: (@Sendable (Root) -> JSON)?,
        check: @escaping @Sendable (Root, String) throws(DamaError) -> Void = { _, _ in }
    ) {
        self.init(
            name, key: key, effect: effect, fields: fields, isRequired: isRequired, read: read,
            write: { root, wanted, key in
                guard wanted == effect, let write else { return [] }
                return [(key, write(root))]
            }, check: check)
    }

    private init(
        _ name: String, key: String?, effect: SettingEffect, fields: [String], isRequired: Bool,
        read: @escaping @Sendable (inout Root, SettingsReader, String) throws(DamaError) -> Void,
        write: @escaping @Sendable (Root, SettingEffect, String) -> [JSONObject.Member],
        check: @escaping @Sendable (Root, String) throws(DamaError) -> Void
    ) {
        self.name = name
        self.key = key ?? name
        self.effect = effect
        self.fields = fields
        self.isRequired = isRequired
        self.read = read
        self.write = write
        self.check = check
    }

    /// The same setting as part of a larger `Outer`.
    package func lifted<Outer>(_ path: WritableKeyPath<Outer, Root> & Sendable) -> Setting<Outer> {
        let (read, write, check) = (read, write, check)
        return Setting<Outer>(
            name, key: key, effect: effect, fields: fields, isRequired: isRequired,
            read: { (outer, reader, name) throws(DamaError) in try read(&outer[keyPath: path], reader, name) },
            write: { write($0[keyPath: path], $1, $2) },
            check: { (outer, name) throws(DamaError) in try check(outer[keyPath: path], name) })
    }

    /// The same setting under another name.
    package func renamed(_ name: String) -> Setting {
        Setting(
            name, key: name, effect: effect, fields: fields, isRequired: isRequired, read: read, write: write,
            check: check)
    }

    /// A nested object whose fields are those of `table`.
    package static func section<Part>(
        _ name: String, _ path: WritableKeyPath<Root, Part> & Sendable, _ table: SettingsTable<Part>
    ) -> Setting {
        Setting(
            name, key: nil, effect: .results, fields: table.names, isRequired: false,
            read: { (root, reader, name) throws(DamaError) in
                try table.read(into: &root[keyPath: path], reader.nested(name, fields: table.names))
            },
            write: { root, effect, name in
                table.values(of: root[keyPath: path], effect).map { ("\(name).\($0.key)", $0.value) }
            },
            check: { (root, name) throws(DamaError) in try table.check(root[keyPath: path], prefix: "\(name).") })
    }
}

/// What changes with a setting.
package enum SettingEffect: Sendable {
    /// Everything that a job computes. A job resumes only with the same value.
    case results
    /// What is written at the end. Computed results stay the same.
    case report
    /// Only time and memory, or whether a job stops.
    case none
}

/// The expected values, for messages.
enum SettingRange {
    static func expected(_ range: ClosedRange<Int>) -> String {
        range.upperBound == .max
            ? "an integer, \(range.lowerBound) or more"
            : "an integer from \(range.lowerBound) to \(range.upperBound)"
    }

    static func wrong(_ name: String, _ found: some CustomStringConvertible, _ expected: String) -> DamaError {
        .invalidArgument("\(name) is \(found); expected \(expected)")
    }
}
