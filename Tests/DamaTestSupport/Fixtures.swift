import DamaSupport

/// Files in the folder beside a test file.
package enum Fixtures {
    /// The absolute path of `name` inside the folder `Fixtures` beside the calling test file.
    package static func path(_ name: String, file: StaticString = #filePath) -> String {
        let source = "\(file)"
        let folder = source[..<(source.lastIndex(of: "/") ?? source.endIndex)]
        return "\(folder)/Fixtures/\(name)"
    }

    /// The JSON fixture `name` beside the calling test file.
    package static func json(_ name: String, file: StaticString = #filePath) throws -> JSON {
        try Files.readJSON(path(name, file: file))
    }
}
