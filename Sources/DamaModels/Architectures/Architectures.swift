import DamaSupport

/// The supported architectures.
enum Architectures {
    /// The first one that reads a config.json opens the model.
    static let all: [any Architecture.Type] =
        LlamaFamilies.all + [
            LlavaOriginalArchitecture.self, LlavaArchitecture.self, LlavaNextArchitecture.self,
            Idefics3Architecture.self,
        ]

    /// Reads the configuration of a directory.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for any other `model_type`, with a list of the supported ones.
    static func read(_ source: ModelSource) throws(DamaError) -> any Architecture {
        try family(of: source).read(source)
    }

    /// The architecture of a directory, as ``read(_:)`` finds it.
    static func family(of source: ModelSource) throws(DamaError) -> any Architecture.Type {
        for architecture in all where try architecture.reads(source.config) { return architecture }
        let type = try source.config.string("model_type", default: "")
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
