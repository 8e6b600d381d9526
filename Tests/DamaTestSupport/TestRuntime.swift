import Foundation

/// The ONNX Runtime of the tests.
package enum TestRuntime {
    /// The wheel in the repository's own environment, unless the environment variable names another.
    ///
    /// `make test` sets the variable; this is for a plain `swift test`.
    package static func configure(file: StaticString = #filePath) {
        if let given = getenv("DAMA_ONNXRUNTIME"), given.pointee != 0 { return }
        let root = URL(fileURLWithPath: "\(file)").deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let libraries = root.appendingPathComponent(".deps/python/lib")
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: libraries.path)) ?? []
        for folder in folders.sorted() where folder.hasPrefix("python3") {
            let capi = libraries.appendingPathComponent("\(folder)/site-packages/onnxruntime/capi")
            let files = (try? FileManager.default.contentsOfDirectory(atPath: capi.path)) ?? []
            if let name = files.first(where: { $0.hasPrefix("libonnxruntime.so") }) {
                setenv("DAMA_ONNXRUNTIME", capi.appendingPathComponent(name).path, 1)
                return
            }
        }
    }
}
