import Dama

/// `--set name=value`: settings of a table by their names.
enum NamedSettings {
    /// Sets what `arguments` name. A value is JSON, or else a text. Required settings have options of their own.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for an argument without `=`, an unknown name and a wrong value.
    static func apply<Root>(
        _ arguments: [String], to root: inout Root, by table: SettingsTable<Root>
    ) throws(DamaError) {
        var members: [JSONObject.Member] = []
        for argument in arguments {
            guard let split = argument.firstIndex(of: "=") else {
                throw .invalidArgument("--set: expected name=value, found \"\(argument)\"")
            }
            let value = String(argument[argument.index(after: split)...])
            members.append((String(argument[..<split]), (try? JSON(parsing: value.utf8)) ?? .string(value)))
        }
        let settable = SettingsTable(table.settings.filter { !$0.isRequired })
        try settable.read(into: &root, .object(JSONObject(members)), place: "--set")
    }
}
