import DamaSupport

/// A benchmark's official script, whose prompts are cut out of the user's copy: not every licence allows to ship them.
struct OfficialScript: Sendable {
    /// A version of the script, and where its prompts are: the offsets in bytes of Python string literals.
    struct Version: Sendable {
        var name: String
        var sha256: String
        var literals: KeyValuePairs<String, Int>

        init(_ name: String, _ sha256: String, _ literals: KeyValuePairs<String, Int>) {
            self.name = name
            self.sha256 = sha256
            self.literals = literals
        }
    }

    var name: String
    var address: String
    var versions: [Version]

    var download: Download {
        Download(name, versions: versions.map { ($0.name, $0.sha256) }, address: address)
    }

    /// The prompts of the script at `path`, by the names of their literals.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` if it is no known version.
    func prompts(_ path: String) throws(DamaError) -> [JSONObject.Member] {
        let source = try Files.read(path)
        let digest = SHA256.hex(of: source)
        guard let version = versions.first(where: { $0.sha256 == digest }) else {
            throw .invalidArgument(
                "\(path) has the SHA-256 \(digest), which is no known version of \(name); its prompts cannot be found")
        }
        var prompts: [JSONObject.Member] = []
        for (name, offset) in version.literals {
            do throws(DamaError) {
                prompts.append((name, .string(try PythonLiteral.string(in: source, at: offset))))
            } catch {
                throw .model("\(path), byte \(offset): \(error.message)")
            }
        }
        return prompts
    }
}
