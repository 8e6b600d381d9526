import DamaSupport

/// The supported architectures.
enum Architectures {
    static let all: [any Architecture.Type] =
        LlamaFamilies.all + [LlavaArchitecture.self, LlavaNextArchitecture.self, Idefics3Architecture.self]

    /// Reads the configuration of a directory.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for any other `model_type`, with a list of the supported ones.
    static func read(_ source: ModelSource) throws(DamaError) -> any Architecture {
        let type = try source.config.string("model_type", default: "")
        for architecture in all where architecture.modelTypes.contains(where: { $0.name == type }) {
            return try architecture.read(source)
        }
        let known = all.flatMap { $0.modelTypes }.map { "\"\($0.name)\" (\($0.className))" }
        let list = known.dropLast().joined(separator: ", ") + (known.count > 1 ? " and " : "") + (known.last ?? "")
        throw .unsupported("\(source.config.place): model_type is \"\(type)\"; supported are \(list)")
    }

    /// The modules of all architectures that take low-rank adapters, each once.
    static var adapterModules: [String] {
        var modules: [String] = []
        for module in all.flatMap({ $0.adapterModules }) where !modules.contains(module) { modules.append(module) }
        return modules
    }
}
