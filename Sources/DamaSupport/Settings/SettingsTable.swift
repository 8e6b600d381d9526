/// All settings of a `Root`, in the order in which they are read.
package struct SettingsTable<Root>: Sendable {
    package let settings: [Setting<Root>]

    package init(_ settings: [Setting<Root>]) { self.settings = settings }

    package var names: [String] { settings.map(\.name) }

    /// The settings that are nested objects, with their fields.
    package var sections: [(name: String, fields: [String])] {
        settings.filter { !$0.fields.isEmpty }.map { ($0.name, $0.fields) }
    }

    /// These settings as part of a larger `Outer`.
    package func lifted<Outer>(_ path: WritableKeyPath<Outer, Root> & Sendable) -> [Setting<Outer>] {
        settings.map { $0.lifted(path) }
    }

    /// A selection of the settings, each under the name beside it.
    package func part(_ names: KeyValuePairs<String, String>) -> SettingsTable {
        SettingsTable(
            names.compactMap { name, other in
                settings.first { $0.name == name }.map { name == other ? $0 : $0.renamed(other) }
            })
    }

    // MARK: Reading

    /// Sets the fields of the object; all others keep their values.
    ///
    /// - Parameter place: The beginning of every message.
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the field: a wrong value, a duplicate, or an unknown field,
    ///   with the nearest known one.
    package func read(into root: inout Root, _ json: JSON, place: String) throws(DamaError) {
        try read(into: &root, SettingsReader(json, place: place, fields: names))
    }

    package func read(into root: inout Root, _ reader: SettingsReader) throws(DamaError) {
        for setting in settings { try setting.read(&root, reader, setting.name) }
    }

    // MARK: Writing

    /// The values of the settings with this effect, by their keys; fields of sections as `section.field`.
    package func values(of root: Root, _ effect: SettingEffect) -> [JSONObject.Member] {
        settings.flatMap { $0.write(root, effect, $0.key) }
    }

    /// All values by name, for the defaults of other languages.
    package func values(of root: Root) -> JSONObject {
        JSONObject(
            settings.flatMap { setting in
                [.results, .report, .none].flatMap { setting.write(root, $0, setting.name) }
            })
    }

    /// The differences between two roots, for people: `beta 0.1 instead of 0.2`.
    package func differences(_ found: Root, _ wanted: Root) -> [String] {
        settingsDifferences(.object(values(of: found)), .object(values(of: wanted)))
    }

    // MARK: Checking

    /// - Throws: ``DamaError/Code/invalidArgument`` for the first value outside its range, naming it.
    package func check(_ root: Root, prefix: String = "") throws(DamaError) {
        for setting in settings { try setting.check(root, prefix + setting.name) }
    }
}

/// The differences between two objects of settings, for people: `delta "scores" instead of "probabilities"`. The member
/// of a nested object is named by its path: `lora.rank 8 instead of 16`.
package func settingsDifferences(_ found: JSON, _ wanted: JSON) -> [String] {
    let keys = (wanted.object?.members ?? []).map(\.key)
    let others = (found.object?.members ?? []).map(\.key).filter { !keys.contains($0) }
    return (keys + others).flatMap { key -> [String] in
        let (a, b) = (found[key] ?? .null, wanted[key] ?? .null)
        if a == b { return [] }
        // Version 0.1 wrote the hash of a part that has settings of its own now.
        if a.string != nil, b.object != nil { return ["\(key) in the form of an earlier version of libdama"] }
        guard a.object != nil, b.object != nil else { return ["\(key) \(a.text) instead of \(b.text)"] }
        return settingsDifferences(a, b).map { "\(key).\($0)" }
    }
}
